#include "cli/testing/fake_storage_server.h"

#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/admin_service.grpc.pb.h"
#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace diptych::cli {

using grpc::ServerContext;
using storage::v1::Collection;
using storage::v1::Object;

namespace {

struct State {
  struct Entry {
    Collection collection;
    std::map<std::string, Object> objects;
  };

  mutable absl::Mutex mutex;
  std::map<std::string, Entry> collections ABSL_GUARDED_BY(mutex);
  std::deque<absl::Status> chunk_answers ABSL_GUARDED_BY(mutex);
  std::map<std::string, std::map<std::string, Entry>> snapshots
      ABSL_GUARDED_BY(mutex);
  std::set<std::string> refused_ids ABSL_GUARDED_BY(mutex);
  absl::Status query_answer ABSL_GUARDED_BY(mutex);
  storage::v1::QueryRequest last_query ABSL_GUARDED_BY(mutex);
  int received ABSL_GUARDED_BY(mutex) = 0;
  int uids ABSL_GUARDED_BY(mutex) = 0;

  absl::StatusOr<Entry*> Find(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = collections.find(name);
    if (found == collections.end()) {
      return ResourceNotFound(
          "collection", name,
          absl::StrCat("collection \"", name, "\" does not exist"));
    }
    return &found->second;
  }
  std::string NewUid() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return absl::StrCat("uid-", ++uids);
  }
};

}  // namespace

class FakeStorageServer::Services final
    : public storage::v1::CollectionService::Service {
 public:
  Services() : objects_(state_), search_(state_), admin_(state_) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(this);
    builder.RegisterService(&objects_);
    builder.RegisterService(&search_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
  }
  ~Services() override { server_->Shutdown(); }

  int port() const { return port_; }
  State& state() { return state_; }

  grpc::Status CreateCollection(
      ServerContext*, const storage::v1::CreateCollectionRequest* request,
      storage::v1::CreateCollectionResponse* response) override {
    absl::MutexLock lock(&state_.mutex);
    const std::string& name = request->collection().name();
    const bool exists = state_.collections.count(name) > 0;
    if (exists && !request->get_or_create()) {
      return ToGrpcStatus(ResourceExists(
          "collection", name,
          absl::StrCat("collection \"", name, "\" exists already")));
    }
    State::Entry& entry = state_.collections[name];
    if (!exists) {
      entry.collection = request->collection();
      entry.collection.set_uid(state_.NewUid());
    }
    *response->mutable_collection() = entry.collection;
    response->set_created(!exists);
    return grpc::Status::OK;
  }

  grpc::Status GetCollection(
      ServerContext*, const storage::v1::GetCollectionRequest* request,
      storage::v1::GetCollectionResponse* response) override {
    absl::MutexLock lock(&state_.mutex);
    const auto entry = state_.Find(request->name());
    if (!entry.ok()) return ToGrpcStatus(entry.status());
    *response->mutable_collection() = (*entry)->collection;
    return grpc::Status::OK;
  }

  grpc::Status ListCollections(
      ServerContext*, const storage::v1::ListCollectionsRequest* request,
      storage::v1::ListCollectionsResponse* response) override {
    // One a page, so that paging is used.
    absl::MutexLock lock(&state_.mutex);
    auto next = state_.collections.upper_bound(request->page_token());
    if (next == state_.collections.end()) return grpc::Status::OK;
    *response->add_collections() = next->second.collection;
    if (std::next(next) != state_.collections.end()) {
      response->set_next_page_token(next->first);
    }
    return grpc::Status::OK;
  }

  grpc::Status DeleteCollection(
      ServerContext*, const storage::v1::DeleteCollectionRequest* request,
      storage::v1::DeleteCollectionResponse*) override {
    absl::MutexLock lock(&state_.mutex);
    const auto entry = state_.Find(request->name());
    if (!entry.ok()) return ToGrpcStatus(entry.status());
    state_.collections.erase(request->name());
    return grpc::Status::OK;
  }

  grpc::Status GetCollectionStats(
      ServerContext*, const storage::v1::GetCollectionStatsRequest* request,
      storage::v1::GetCollectionStatsResponse* response) override {
    absl::MutexLock lock(&state_.mutex);
    const auto entry = state_.Find(request->name());
    if (!entry.ok()) return ToGrpcStatus(entry.status());
    response->mutable_stats()->set_objects(
        static_cast<int64_t>((*entry)->objects.size()));
    return grpc::Status::OK;
  }

 private:
  class ObjectServiceFake final : public storage::v1::ObjectService::Service {
   public:
    explicit ObjectServiceFake(State& state) : state_(state) {}

    grpc::Status ImportObjects(
        ServerContext*,
        grpc::ServerReaderWriter<storage::v1::ImportObjectsResponse,
                                 storage::v1::ImportObjectsRequest>* stream)
        override {
      storage::v1::ImportObjectsRequest request;
      if (!stream->Read(&request) || !request.has_header()) {
        return ToGrpcStatus(InvalidField("header", "is missing"));
      }
      const std::string collection = request.header().collection();
      while (stream->Read(&request)) {
        auto answer = Take(collection, request.chunk());
        if (!answer.ok()) return ToGrpcStatus(answer.status());
        stream->Write(*answer);
      }
      return grpc::Status::OK;
    }

    grpc::Status GetObjects(
        ServerContext*, const storage::v1::GetObjectsRequest* request,
        storage::v1::GetObjectsResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto entry = state_.Find(request->collection());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      for (const std::string& id : request->ids()) {
        const auto found = (*entry)->objects.find(id);
        if (found == (*entry)->objects.end()) {
          response->add_missing_ids(id);
          continue;
        }
        Object& object = *response->add_objects();
        object = found->second;
        if (request->projection().image_bytes()) continue;
        for (auto& [name, value] : *object.mutable_properties()) {
          if (value.has_image_value()) {
            value.mutable_image_value()->clear_data();
          }
        }
      }
      return grpc::Status::OK;
    }

    grpc::Status ListObjects(
        ServerContext*, const storage::v1::ListObjectsRequest* request,
        storage::v1::ListObjectsResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto entry = state_.Find(request->collection());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      const auto& objects = (*entry)->objects;
      auto next = objects.upper_bound(request->page_token());
      if (next == objects.end()) return grpc::Status::OK;
      *response->add_objects() = next->second;
      if (std::next(next) != objects.end()) {
        response->set_next_page_token(next->first);
      }
      return grpc::Status::OK;
    }

    grpc::Status CountObjects(
        ServerContext*, const storage::v1::CountObjectsRequest* request,
        storage::v1::CountObjectsResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto entry = state_.Find(request->collection());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      response->set_count(static_cast<int64_t>((*entry)->objects.size()));
      return grpc::Status::OK;
    }

    grpc::Status DeleteObjects(
        ServerContext*, const storage::v1::DeleteObjectsRequest* request,
        storage::v1::DeleteObjectsResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto entry = state_.Find(request->collection());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      int64_t deleted = 0;
      for (const std::string& id : request->ids()) {
        deleted += static_cast<int64_t>((*entry)->objects.erase(id));
      }
      response->set_deleted_count(deleted);
      return grpc::Status::OK;
    }

   private:
    absl::StatusOr<storage::v1::ImportObjectsResponse> Take(
        const std::string& collection, const storage::v1::ImportChunk& chunk) {
      absl::MutexLock lock(&state_.mutex);
      state_.received += chunk.objects_size();
      if (!state_.chunk_answers.empty()) {
        const absl::Status answer = state_.chunk_answers.front();
        state_.chunk_answers.pop_front();
        if (!answer.ok()) return answer;
      }
      const auto entry = state_.Find(collection);
      if (!entry.ok()) return entry.status();
      storage::v1::ImportObjectsResponse response;
      response.set_committed_sequence_number(chunk.sequence_number());
      for (int i = 0; i < chunk.objects_size(); ++i) {
        const Object& object = chunk.objects(i);
        if (state_.refused_ids.count(object.id()) == 0) {
          (*entry)->objects[object.id()] = object;
          continue;
        }
        storage::v1::ImportError& error = *response.add_errors();
        error.set_sequence_number(chunk.sequence_number());
        error.set_index(i);
        error.set_id(object.id());
        *error.mutable_status() = ToStatusProto(
            InvalidField(absl::StrCat("objects[", i, "].properties[\"image\"]"),
                         "is truncated"));
      }
      return response;
    }

    State& state_;
  };

  class SearchServiceFake final : public storage::v1::SearchService::Service {
   public:
    explicit SearchServiceFake(State& state) : state_(state) {}

    grpc::Status Query(ServerContext*, const storage::v1::QueryRequest* request,
                       storage::v1::QueryResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      state_.last_query = *request;
      if (!state_.query_answer.ok()) return ToGrpcStatus(state_.query_answer);
      const auto entry = state_.Find(request->collection());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      double distance = 0;
      for (const auto& [id, object] : (*entry)->objects) {
        auto* result = response->add_results();
        *result->mutable_object() = object;
        result->set_distance(distance);
        result->set_certainty(1 - distance / 2);
        distance += 0.1;
      }
      return grpc::Status::OK;
    }

   private:
    State& state_;
  };

  class AdminServiceFake final : public storage::v1::AdminService::Service {
   public:
    explicit AdminServiceFake(State& state) : state_(state) {}

    grpc::Status CreateSnapshot(
        ServerContext*, const storage::v1::CreateSnapshotRequest* request,
        storage::v1::CreateSnapshotResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      state_.snapshots[request->name()] = state_.collections;
      response->set_size_bytes(2048);
      return grpc::Status::OK;
    }
    grpc::Status ListSnapshots(
        ServerContext*, const storage::v1::ListSnapshotsRequest*,
        storage::v1::ListSnapshotsResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      for (const auto& [name, collections] : state_.snapshots) {
        storage::v1::Snapshot& snapshot = *response->add_snapshots();
        snapshot.set_name(name);
        snapshot.mutable_create_time()->set_seconds(1'700'000'000);
        snapshot.set_size_bytes(2048);
        snapshot.set_collections(static_cast<int64_t>(collections.size()));
      }
      return grpc::Status::OK;
    }
    grpc::Status RestoreSnapshot(
        ServerContext*, const storage::v1::RestoreSnapshotRequest* request,
        storage::v1::RestoreSnapshotResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto found = state_.snapshots.find(request->name());
      if (found == state_.snapshots.end()) {
        return ToGrpcStatus(
            ResourceNotFound("snapshot", request->name(), "no such snapshot"));
      }
      state_.collections = found->second;
      response->set_collections(
          static_cast<int64_t>(state_.collections.size()));
      return grpc::Status::OK;
    }
    grpc::Status CompactCollection(
        ServerContext*, const storage::v1::CompactCollectionRequest* request,
        storage::v1::CompactCollectionResponse* response) override {
      absl::MutexLock lock(&state_.mutex);
      const auto entry = state_.Find(request->name());
      if (!entry.ok()) return ToGrpcStatus(entry.status());
      response->set_disk_bytes_before(4096);
      response->set_disk_bytes_after(1024);
      return grpc::Status::OK;
    }
    grpc::Status Flush(ServerContext*, const storage::v1::FlushRequest* request,
                       storage::v1::FlushResponse*) override {
      if (request->collection().empty()) return grpc::Status::OK;
      absl::MutexLock lock(&state_.mutex);
      return ToGrpcStatus(state_.Find(request->collection()).status());
    }
    grpc::Status Reset(ServerContext*, const storage::v1::ResetRequest*,
                       storage::v1::ResetResponse*) override {
      absl::MutexLock lock(&state_.mutex);
      state_.collections.clear();
      return grpc::Status::OK;
    }
    grpc::Status GetServerInfo(
        ServerContext*, const storage::v1::GetServerInfoRequest*,
        storage::v1::GetServerInfoResponse* response) override {
      response->set_version("1.2.3");
      return grpc::Status::OK;
    }

   private:
    State& state_;
  };

  State state_;
  ObjectServiceFake objects_;
  SearchServiceFake search_;
  AdminServiceFake admin_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

FakeStorageServer::FakeStorageServer() {
  // For `diptych health`.
  grpc::EnableDefaultHealthCheckService(true);
  services_ = std::make_unique<Services>();
  address_ = absl::StrCat("127.0.0.1:", services_->port());
}

FakeStorageServer::~FakeStorageServer() = default;

void FakeStorageServer::AnswerChunks(std::deque<absl::Status> answers) {
  absl::MutexLock lock(&services_->state().mutex);
  services_->state().chunk_answers = std::move(answers);
}

void FakeStorageServer::RefuseId(const std::string& id) {
  absl::MutexLock lock(&services_->state().mutex);
  services_->state().refused_ids.insert(id);
}

void FakeStorageServer::AnswerQueries(absl::Status answer) {
  absl::MutexLock lock(&services_->state().mutex);
  services_->state().query_answer = std::move(answer);
}

void FakeStorageServer::RecreateCollection(const std::string& name) {
  State& state = services_->state();
  absl::MutexLock lock(&state.mutex);
  State::Entry& entry = state.collections[name];
  entry.objects.clear();
  entry.collection.set_uid(state.NewUid());
}

std::vector<std::string> FakeStorageServer::CollectionNames() const {
  absl::MutexLock lock(&services_->state().mutex);
  std::vector<std::string> names;
  for (const auto& [name, entry] : services_->state().collections) {
    names.push_back(name);
  }
  return names;
}

std::map<std::string, Object> FakeStorageServer::Objects(
    const std::string& collection) const {
  absl::MutexLock lock(&services_->state().mutex);
  return services_->state().collections[collection].objects;
}

int FakeStorageServer::received() const {
  absl::MutexLock lock(&services_->state().mutex);
  return services_->state().received;
}

storage::v1::QueryRequest FakeStorageServer::last_query() const {
  absl::MutexLock lock(&services_->state().mutex);
  return services_->state().last_query;
}

}  // namespace diptych::cli
