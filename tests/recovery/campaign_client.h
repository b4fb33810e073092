// Clients that write to a server and keep account of it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "diptych/storage/v1/admin_service.grpc.pb.h"
#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"
#include "grpcpp/channel.h"
#include "tests/recovery/write_ledger.h"

namespace diptych::storage {

inline constexpr char kCampaignCollection[] = "things";

// The stubs of one connection.
struct CampaignStubs {
  explicit CampaignStubs(const std::shared_ptr<grpc::Channel>& channel);
  std::unique_ptr<v1::CollectionService::Stub> collections;
  std::unique_ptr<v1::ObjectService::Stub> objects;
  std::unique_ptr<v1::SearchService::Stub> search;
  std::unique_ptr<v1::AdminService::Stub> admin;
};

// One call, which may take a minute.
template <typename Stub, typename Request, typename Response>
absl::Status CampaignCall(Stub& stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                       const Request&,
                                                       Response*),
                          const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::minutes(1));
  const grpc::Status status = (stub.*method)(&context, request, &response);
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

// Operation: inserts, upserts, updates, deletes by id and by filter, imports
// and reads, at random, of objects that no other client writes. What the
// server answers is compared with the ledger on the spot.
// Concurrency: one thread at a time; any number of clients side by side.
class CampaignClient {
 public:
  CampaignClient(int number, uint64_t seed);

  // Works until a call fails, and returns why. OUT_OF_RANGE: an answer was
  // wrong.
  absl::Status Work(const std::shared_ptr<grpc::Channel>& channel);

  bool Owns(const std::string& id) const;
  WriteLedger& ledger() { return ledger_; }

 private:
  size_t Below(size_t end) { return random_() % end; }
  std::string Id();
  // Ids without repetition.
  std::vector<std::string> Ids(size_t most);
  int64_t NextWrite();

  // Sends a request that makes this change as a whole or not at all.
  template <typename Request, typename Response>
  absl::Status Change(CampaignStubs& stubs,
                      grpc::Status (v1::ObjectService::Stub::*method)(
                          grpc::ClientContext*, const Request&, Response*),
                      const Request& request, WriteLedger::Change change,
                      Response& response);

  absl::Status Upsert(CampaignStubs& stubs);
  absl::Status Insert(CampaignStubs& stubs);
  absl::Status Update(CampaignStubs& stubs);
  absl::Status DeleteIds(CampaignStubs& stubs);
  absl::Status DeleteByFilter(CampaignStubs& stubs);
  absl::Status Import(CampaignStubs& stubs);
  absl::Status Get(CampaignStubs& stubs);
  absl::Status Query(CampaignStubs& stubs);

  const int number_;
  std::mt19937_64 random_;
  int64_t writes_ = 0;
  WriteLedger ledger_;
};

// Operation: compacts the collection, takes snapshots, flushes, makes and
// deletes other collections, at random.
// Concurrency: one thread at a time.
class CampaignOperator {
 public:
  explicit CampaignOperator(uint64_t seed) : random_(seed) {}

  // As CampaignClient::Work.
  absl::Status Work(const std::shared_ptr<grpc::Channel>& channel);

  // What a restarted server says of the other collections becomes the truth.
  absl::Status Settle(CampaignStubs& stubs);
  // Those that were acknowledged since the last call.
  std::vector<std::string> TakeSnapshots() { return std::move(snapshots_); }

 private:
  absl::Status ChangeCollection(CampaignStubs& stubs);

  std::mt19937_64 random_;
  int64_t snapshots_made_ = 0;
  std::vector<std::string> snapshots_;
  // Whether it is there, as far as is known.
  std::map<std::string, bool> collections_;
  std::string changing_;
};

}  // namespace diptych::storage
