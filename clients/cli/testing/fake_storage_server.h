// A storage service in memory behind a real gRPC port of loopback, for tests of
// the command line.
//
// Operation: keeps collections and objects as they were sent; queries answer
// with all objects in the order of their ids, at distances 0, 0.1, 0.2, ...
// What ImportObjects and Query answer can be scripted.
// Concurrency: every method may be called from any thread.
// Limits: knows no filter and makes no vectors.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "diptych/storage/v1/object.pb.h"
#include "diptych/storage/v1/search_service.pb.h"

namespace diptych::cli {

class FakeStorageServer {
 public:
  FakeStorageServer();
  ~FakeStorageServer();

  // "127.0.0.1:41234".
  const std::string& address() const { return address_; }

  // The next chunks of imports end their call with these instead of being
  // written; OK writes.
  void AnswerChunks(std::deque<absl::Status> answers);
  // Objects of this id are refused.
  void RefuseId(const std::string& id);
  // Every Query answers this.
  void AnswerQueries(absl::Status answer);
  // As if deleted and made again under the same name.
  void RecreateCollection(const std::string& name);

  std::vector<std::string> CollectionNames() const;
  std::map<std::string, storage::v1::Object> Objects(
      const std::string& collection) const;
  // Objects received by imports since the start, refused ones included.
  int received() const;
  storage::v1::QueryRequest last_query() const;

 private:
  class Services;
  std::unique_ptr<Services> services_;
  std::string address_;
};

}  // namespace diptych::cli
