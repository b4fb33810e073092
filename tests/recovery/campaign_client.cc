#include "tests/recovery/campaign_client.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

constexpr size_t kIdsPerClient = 40;
constexpr size_t kObjectsPerCall = 12;

absl::Status Wrong(absl::string_view what) {
  return absl::OutOfRangeError(what);
}

}  // namespace

CampaignStubs::CampaignStubs(const std::shared_ptr<grpc::Channel>& channel)
    : collections(v1::CollectionService::NewStub(channel)),
      objects(v1::ObjectService::NewStub(channel)),
      search(v1::SearchService::NewStub(channel)),
      admin(v1::AdminService::NewStub(channel)) {}

CampaignClient::CampaignClient(int number, uint64_t seed)
    : number_(number), random_(seed) {}

bool CampaignClient::Owns(const std::string& id) const {
  return absl::StartsWith(id, absl::StrCat("client", number_, "-"));
}

std::string CampaignClient::Id() {
  return absl::StrCat("client", number_, "-", Below(kIdsPerClient));
}

std::vector<std::string> CampaignClient::Ids(size_t most) {
  std::set<std::string> ids;
  for (size_t i = 1 + Below(most); i > 0; --i) ids.insert(Id());
  return {ids.begin(), ids.end()};
}

int64_t CampaignClient::NextWrite() {
  // No two clients' writes have one number, and all are below 2^53.
  return ++writes_ * 16 + number_;
}

absl::Status CampaignClient::Work(
    const std::shared_ptr<grpc::Channel>& channel) {
  using Step = absl::Status (CampaignClient::*)(CampaignStubs&);
  // Each is taken as often as it stands here.
  static constexpr Step kSteps[] = {&CampaignClient::Upsert,
                                    &CampaignClient::Upsert,
                                    &CampaignClient::Insert,
                                    &CampaignClient::Update,
                                    &CampaignClient::Update,
                                    &CampaignClient::DeleteIds,
                                    &CampaignClient::DeleteByFilter,
                                    &CampaignClient::Import,
                                    &CampaignClient::Get,
                                    &CampaignClient::Query};
  CampaignStubs stubs(channel);
  absl::Status status;
  while (status.ok()) status = (this->*kSteps[Below(std::size(kSteps))])(stubs);
  return status;
}

template <typename Request, typename Response>
absl::Status CampaignClient::Change(
    CampaignStubs& stubs,
    grpc::Status (v1::ObjectService::Stub::*method)(grpc::ClientContext*,
                                                    const Request&, Response*),
    const Request& request, WriteLedger::Change change, Response& response) {
  ledger_.Begin(std::move(change));
  DIPTYCH_RETURN_IF_ERROR(
      CampaignCall(*stubs.objects, method, request, response));
  ledger_.Acknowledge(1);
  return absl::OkStatus();
}

absl::Status CampaignClient::Upsert(CampaignStubs& stubs) {
  v1::UpsertObjectsRequest request;
  request.set_collection(kCampaignCollection);
  WriteLedger::Change change;
  for (const std::string& id : Ids(kObjectsPerCall)) {
    const int64_t write = NextWrite();
    *request.add_objects() = MarkedObject(id, {write, write});
    change[id] = {write, write};
  }
  v1::UpsertObjectsResponse response;
  return Change(stubs, &v1::ObjectService::Stub::UpsertObjects, request,
                std::move(change), response);
}

absl::Status CampaignClient::Insert(CampaignStubs& stubs) {
  v1::InsertObjectsRequest request;
  request.set_collection(kCampaignCollection);
  WriteLedger::Change change;
  int existing = 0;
  for (const std::string& id : Ids(kObjectsPerCall)) {
    const int64_t write = NextWrite();
    *request.add_objects() = MarkedObject(id, {write, write});
    if (ledger_.objects().contains(id)) {
      ++existing;
    } else {
      change[id] = {write, write};
    }
  }
  v1::InsertObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(Change(stubs, &v1::ObjectService::Stub::InsertObjects,
                                 request, std::move(change), response));
  return response.existing_ids_size() == existing
             ? absl::OkStatus()
             : Wrong("an insert found other objects than there are");
}

absl::Status CampaignClient::Update(CampaignStubs& stubs) {
  v1::UpdateObjectsRequest request;
  request.set_collection(kCampaignCollection);
  WriteLedger::Change change;
  int missing = 0;
  for (const std::string& id : Ids(kObjectsPerCall)) {
    const int64_t write = NextWrite();
    *request.add_objects() = MarkedUpdate(id, write);
    const auto found = ledger_.objects().find(id);
    if (found == ledger_.objects().end()) {
      ++missing;
    } else {
      change[id] = {write, found->second.picture_write};
    }
  }
  v1::UpdateObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(Change(stubs, &v1::ObjectService::Stub::UpdateObjects,
                                 request, std::move(change), response));
  return response.missing_ids_size() == missing
             ? absl::OkStatus()
             : Wrong("an update missed other objects than are missing");
}

absl::Status CampaignClient::DeleteIds(CampaignStubs& stubs) {
  v1::DeleteObjectsRequest request;
  request.set_collection(kCampaignCollection);
  WriteLedger::Change change;
  int64_t there = 0;
  for (const std::string& id : Ids(kObjectsPerCall / 2)) {
    request.add_ids(id);
    change[id] = std::nullopt;
    if (ledger_.objects().contains(id)) ++there;
  }
  v1::DeleteObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(Change(stubs, &v1::ObjectService::Stub::DeleteObjects,
                                 request, std::move(change), response));
  return response.deleted_count() == there
             ? absl::OkStatus()
             : Wrong("a deletion counted other objects than there were");
}

absl::Status CampaignClient::DeleteByFilter(CampaignStubs& stubs) {
  const std::string tag = MarkedTag(static_cast<int64_t>(Below(kMarkedTags)));
  v1::DeleteObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.set_filter_expression(absl::StrCat("tag == '", tag, "'"));
  // Of this client's; the others' objects are not its business.
  WriteLedger::Change change;
  for (const auto& [id, version] : ledger_.objects()) {
    if (MarkedTag(version.write) == tag) change[id] = std::nullopt;
  }
  for (size_t i = 0; i < kIdsPerClient; ++i) {
    request.add_ids(absl::StrCat("client", number_, "-", i));
  }
  const auto there = static_cast<int64_t>(change.size());
  v1::DeleteObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(Change(stubs, &v1::ObjectService::Stub::DeleteObjects,
                                 request, std::move(change), response));
  return response.deleted_count() == there
             ? absl::OkStatus()
             : Wrong("a deletion by filter counted other objects than matched");
}

absl::Status CampaignClient::Import(CampaignStubs& stubs) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::minutes(1));
  const auto stream = stubs.objects->ImportObjects(&context);
  v1::ImportObjectsRequest request;
  request.mutable_header()->set_collection(kCampaignCollection);
  stream->Write(request);
  // Objects of an import stand by themselves, in their order.
  std::vector<size_t> chunk_sizes;
  bool open = true;
  for (size_t chunks = 1 + Below(10); open && chunks > 0; --chunks) {
    auto& chunk = *request.mutable_chunk();
    chunk.Clear();
    const std::vector<std::string> ids = Ids(kObjectsPerCall);
    chunk_sizes.push_back(ids.size());
    chunk.set_sequence_number(static_cast<int64_t>(chunk_sizes.size()));
    for (const std::string& id : ids) {
      const int64_t write = NextWrite();
      *chunk.add_objects() = MarkedObject(id, {write, write});
      ledger_.Begin({{id, MarkedVersion{write, write}}});
    }
    open = stream->Write(request);
  }
  stream->WritesDone();
  int64_t acknowledged = 0;
  v1::ImportObjectsResponse response;
  while (stream->Read(&response)) {
    for (; acknowledged < response.committed_sequence_number();
         ++acknowledged) {
      ledger_.Acknowledge(chunk_sizes[static_cast<size_t>(acknowledged)]);
    }
    if (response.errors_size() > 0) {
      return Wrong(absl::StrCat("an import refused an object: ",
                                response.ShortDebugString()));
    }
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) {
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        status.error_message());
  }
  return ledger_.begun() == 0
             ? absl::OkStatus()
             : Wrong("an import ended well without acknowledging everything");
}

absl::Status CampaignClient::Get(CampaignStubs& stubs) {
  v1::GetObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.mutable_projection()->set_vectors(true);
  request.mutable_projection()->set_image_bytes(true);
  for (const std::string& id : Ids(kObjectsPerCall)) request.add_ids(id);
  v1::GetObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.objects, &v1::ObjectService::Stub::GetObjects, request, response));
  for (const v1::Object& object : response.objects()) {
    const auto found = ledger_.objects().find(object.id());
    const auto version = VersionOf(object);
    if (!version.ok()) return Wrong(version.status().message());
    if (found == ledger_.objects().end() || found->second != *version) {
      return Wrong(absl::StrCat("not the last version: ", object.id()));
    }
  }
  for (const std::string& id : response.missing_ids()) {
    if (ledger_.objects().contains(id)) {
      return Wrong(absl::StrCat("missing although acknowledged: ", id));
    }
  }
  return absl::OkStatus();
}

absl::Status CampaignClient::Query(CampaignStubs& stubs) {
  v1::QueryRequest request;
  request.set_collection(kCampaignCollection);
  for (float value : MarkedVector(NextWrite())) {
    request.mutable_near_vector()
        ->mutable_vector()
        ->mutable_dense()
        ->add_values(value);
  }
  request.set_top_k(5);
  request.mutable_projection()->set_vectors(true);
  request.mutable_projection()->set_image_bytes(true);
  v1::QueryResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.search, &v1::SearchService::Stub::Query, request, response));
  if (static_cast<size_t>(response.results_size()) <
      std::min<size_t>(5, ledger_.objects().size())) {
    return Wrong("a query returned less than there is");
  }
  for (const v1::QueryResult& result : response.results()) {
    const auto version = VersionOf(result.object());
    if (!version.ok()) return Wrong(version.status().message());
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
