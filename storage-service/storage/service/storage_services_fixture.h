// The four services over a real connection, a real engine and a vectorizer that
// can be foretold. For tests.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/concurrency/thread_pool.h"
#include "common/memory/memory_reserve.h"
#include "common/rpc/grpc_server.h"
#include "common/rpc/status_conversion.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "google/protobuf/text_format.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "storage/engine/fake_vectorizer.h"
#include "storage/engine/local_engine.h"
#include "storage/service/admin_service.h"
#include "storage/service/collection_service.h"
#include "storage/service/object_service.h"
#include "storage/service/search_service.h"

namespace diptych::storage {

inline constexpr uint32_t kDimension = 8;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message))
      << text;
  return message;
}

// Waits in every call until it is released.
class HangingVectorizer final : public Vectorizer {
 public:
  absl::StatusOr<Vectorization> Vectorize(
      const CallContext& context, absl::string_view model,
      absl::Span<const VectorizerInput> inputs) override {
    if (hang_) {
      if (!first_entered_.exchange(true)) entered_.Notify();
      release_.WaitForNotification();
    }
    return fake.Vectorize(context, model, inputs);
  }
  void Hang() { hang_ = true; }
  void AwaitEntered() { entered_.WaitForNotification(); }
  void Release() { release_.Notify(); }

  FakeVectorizer fake{kDimension};

 private:
  std::atomic<bool> hang_{false}, first_entered_{false};
  absl::Notification entered_, release_;
};

class StorageServicesTest : public ::testing::Test {
 protected:
  // `options` without directories and vectorizer.
  explicit StorageServicesTest(LocalEngineOptions options = {},
                               bool reset_allowed = false)
      : reset_allowed_(reset_allowed),
        reads_({.name = "reads", .threads = 2}),
        vectorized_reads_({.name = "vec-reads", .threads = 1}),
        writes_({.name = "writes", .threads = 2}),
        vectorized_writes_({.name = "vec-writes", .threads = 1}),
        imports_({.name = "imports", .threads = 2}),
        options_(std::move(options)) {
    Start();
  }

  // The server ends and another begins on the same data.
  void Restart() {
    server_.reset();
    admin_service_.reset();
    search_service_.reset();
    object_service_.reset();
    collection_service_.reset();
    engine_.reset();
    memory_reserve_.reset();
    Start();
  }

  void Start() {
    LocalEngineOptions options = options_;
    options.data_directory = directory_.path();
    options.snapshot_directory = SnapshotDirectory();
    options.vectorizer = &vectorizer_;
    auto reserve = MemoryReserve::Install(1 << 20, memory_clock_, metrics_);
    // One process has one: a second fixture beside this goes without.
    if (reserve.ok()) memory_reserve_ = *std::move(reserve);
    auto engine = LocalEngine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    const ServiceEnvironment environment{
        *engine_,     &vectorizer_,         reads_,   vectorized_reads_,
        writes_,      vectorized_writes_,   imports_, metrics_,
        &thumbnails_, memory_reserve_.get()};
    collection_service_ = std::make_unique<CollectionService>(environment);
    object_service_ = std::make_unique<ObjectService>(environment);
    search_service_ = std::make_unique<SearchService>(environment);
    admin_service_ = std::make_unique<AdminService>(
        environment, ServerDescription{"1.2.3", 64 << 20, absl::Now(), "fake",
                                       [] { return true; }, reset_allowed_});
    auto server = GrpcServer::Start(
        {}, {{v1::CollectionService::service_full_name(),
              collection_service_.get()},
             {v1::ObjectService::service_full_name(), object_service_.get()},
             {v1::SearchService::service_full_name(), search_service_.get()},
             {v1::AdminService::service_full_name(), admin_service_.get()}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->address(),
                                   grpc::InsecureChannelCredentials());
    collections_ = v1::CollectionService::NewStub(channel_);
    objects_ = v1::ObjectService::NewStub(channel_);
    search_ = v1::SearchService::NewStub(channel_);
    admin_ = v1::AdminService::NewStub(channel_);
  }

  std::filesystem::path SnapshotDirectory() const {
    return directory_.path() / "snapshots";
  }

  // Calls `method` of a stub with a request in text form.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      Stub& stub,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const std::string& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status =
        (stub.*method)(&context, Parse<Request>(request), &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  auto Create(const std::string& request) {
    return Call(*collections_, &v1::CollectionService::Stub::CreateCollection,
                request);
  }
  auto Upsert(const std::string& request) {
    return Call(*objects_, &v1::ObjectService::Stub::UpsertObjects, request);
  }
  auto Query(const std::string& request) {
    return Call(*search_, &v1::SearchService::Stub::Query, request);
  }

  // A collection "c" with the documents "one", "two", "three" and their
  // lengths.
  void Fill() {
    ASSERT_THAT(Create(R"(collection { name: "words" })"), IsOk());
    std::string request = R"(collection: "words" )";
    for (const std::string word : {"one", "two", "three"}) {
      request += "objects { id: '" + word +
                 "' properties { key: 'document' value { text_value: '" + word +
                 "' } } properties { key: 'length' value { integer_value: " +
                 std::to_string(word.size()) + " } } } ";
    }
    ASSERT_THAT(Upsert(request), IsOk());
  }

  static std::vector<std::string> Ids(const v1::QueryResponse& response) {
    std::vector<std::string> ids;
    for (const auto& result : response.results())
      ids.push_back(result.object().id());
    return ids;
  }

  const bool reset_allowed_;
  TempDirectory directory_;
  HangingVectorizer vectorizer_;
  MetricsRegistry metrics_;
  FakeClock memory_clock_;
  std::unique_ptr<MemoryReserve> memory_reserve_;
  ThumbnailMaker thumbnails_{{}, Clock::System(), metrics_};
  std::unique_ptr<LocalEngine> engine_;
  ThreadPool reads_, vectorized_reads_, writes_, vectorized_writes_, imports_;
  const LocalEngineOptions options_;
  std::unique_ptr<CollectionService> collection_service_;
  std::unique_ptr<ObjectService> object_service_;
  std::unique_ptr<SearchService> search_service_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CollectionService::Stub> collections_;
  std::unique_ptr<v1::ObjectService::Stub> objects_;
  std::unique_ptr<v1::SearchService::Stub> search_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace diptych::storage
