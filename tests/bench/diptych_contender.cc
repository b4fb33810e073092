// storage-server over gRPC.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/status_conversion.h"
#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "httplib.h"
#include "tests/bench/service_contender.h"

namespace diptych {
namespace {

using storage::v1::CollectionService;
using storage::v1::ObjectService;
using storage::v1::SearchService;

constexpr size_t kChunkObjects = 1000;
// Chunks of an import that are sent before their acknowledgement is awaited.
constexpr size_t kChunksUnderWay = 16;
constexpr std::chrono::milliseconds kPoll(20);

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // A connection of its own for every client.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  // A server that starts again is looked for at once.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 10);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status Converted(const grpc::Status& status) {
  return FromGrpcStatus(status);
}

void EndUnlessOk(const grpc::Status& status, const std::string& what) {
  if (status.ok()) return;
  EndBenchmark(absl::StrCat("storage-server, ", what, ": ",
                            Converted(status).ToString()));
}

void FillObject(const ServiceData& data, size_t row,
                storage::v1::Object& object) {
  object.set_id(ServiceObjectId(row));
  auto& properties = *object.mutable_properties();
  properties["bucket"].set_integer_value(data.buckets[row]);
  properties["region"].set_integer_value(data.regions[row]);
  properties["title"].set_text_value(ServiceTitle(data, row));
  auto& values =
      *(*object.mutable_vectors())["default"].mutable_dense()->mutable_values();
  values.Add(data.row(row), data.row(row) + data.dimension);
}

// Queries by filter, then by query.
using PreparedQueries = std::vector<std::vector<storage::v1::QueryRequest>>;

class DiptychClient final : public ServiceClient {
 public:
  DiptychClient(const ServiceData& data, const std::string& address,
                std::string collection, const PreparedQueries& queries)
      : data_(data), collection_(std::move(collection)), queries_(queries) {
    const auto channel = MakeChannel(address);
    objects_ = ObjectService::NewStub(channel);
    search_ = SearchService::NewStub(channel);
  }

  absl::Status Import(size_t first, size_t count) override {
    storage::v1::InsertObjectsRequest request;
    request.set_collection(collection_);
    for (size_t row = first; row < first + count; ++row) {
      FillObject(data_, row, *request.add_objects());
    }
    grpc::ClientContext context;
    storage::v1::InsertObjectsResponse response;
    return Converted(objects_->InsertObjects(&context, request, &response));
  }

  absl::Status Upsert(size_t first, size_t count) override {
    storage::v1::UpsertObjectsRequest request;
    request.set_collection(collection_);
    for (size_t row = first; row < first + count; ++row) {
      FillObject(data_, row, *request.add_objects());
    }
    grpc::ClientContext context;
    storage::v1::UpsertObjectsResponse response;
    return Converted(objects_->UpsertObjects(&context, request, &response));
  }

  absl::StatusOr<std::vector<uint32_t>> Search(size_t query,
                                               size_t filter) override {
    grpc::ClientContext context;
    storage::v1::QueryResponse response;
    const grpc::Status status =
        search_->Query(&context, queries_[filter][query], &response);
    if (!status.ok()) return Converted(status);
    std::vector<uint32_t> rows;
    for (const storage::v1::QueryResult& result : response.results()) {
      rows.push_back(ServiceRowOf(result.object().id()));
    }
    return rows;
  }

 private:
  const ServiceData& data_;
  const std::string collection_;
  const PreparedQueries& queries_;
  std::unique_ptr<ObjectService::Stub> objects_;
  std::unique_ptr<SearchService::Stub> search_;
};

class DiptychContender final : public ServiceContender {
 public:
  DiptychContender(const ServiceData& data, const DiptychOptions& options)
      : data_(data), options_(options) {
    for (const FilterCase& filter : data.filters) {
      auto& requests = queries_.emplace_back(filter.queries);
      for (size_t q = 0; q < filter.queries; ++q) {
        requests[q]
            .mutable_near_vector()
            ->mutable_vector()
            ->mutable_dense()
            ->mutable_values()
            ->Add(data.query(q), data.query(q) + data.dimension);
        requests[q].set_top_k(kServiceNearest);
        requests[q].mutable_projection()->set_no_properties(true);
        if (!filter.property.empty()) {
          requests[q].set_filter_expression(
              absl::StrCat(filter.property, " < ", filter.limit));
        }
      }
    }
  }

  std::string name() const override { return "diptych"; }

  void Start() override {
    port_ = FreePort();
    do {
      http_port_ = FreePort();
    } while (http_port_ == port_);
    process_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{options_.server, "--data", options_.directory,
                                 "--listen", address(), "--http-listen",
                                 absl::StrCat("127.0.0.1:", http_port_)},
        options_.directory + ".log");
    const auto channel = MakeChannel(address());
    collections_ = CollectionService::NewStub(channel);
    objects_ = ObjectService::NewStub(channel);
  }
  void Stop() override {
    collections_.reset();
    objects_.reset();
    process_.reset();
  }

  void CreateCollection(const std::string& collection) override {
    storage::v1::CreateCollectionRequest request;
    request.mutable_collection()->set_name(collection);
    storage::v1::VectorSpace& space =
        *request.mutable_collection()->add_vector_spaces();
    space.set_dimension(static_cast<int32_t>(data_.dimension));
    space.set_precision(options_.precision == "int8"
                            ? storage::v1::VECTOR_PRECISION_INT8
                        : options_.precision == "bfloat16"
                            ? storage::v1::VECTOR_PRECISION_BFLOAT16
                            : storage::v1::VECTOR_PRECISION_FLOAT32);
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::minutes(1));
    storage::v1::CreateCollectionResponse response;
    EndUnlessOk(collections_->CreateCollection(&context, request, &response),
                "create a collection");
    UseCollection(collection);
  }
  void UseCollection(const std::string& collection) override {
    collection_ = collection;
    for (auto& requests : queries_) {
      for (auto& request : requests) request.set_collection(collection);
    }
  }
  void DropCollection(const std::string& collection) override {
    storage::v1::DeleteCollectionRequest request;
    request.set_name(collection);
    grpc::ClientContext context;
    storage::v1::DeleteCollectionResponse response;
    EndUnlessOk(collections_->DeleteCollection(&context, request, &response),
                "delete a collection");
  }

  std::unique_ptr<ServiceClient> Connect() override {
    return std::make_unique<DiptychClient>(data_, address(), collection_,
                                           queries_);
  }

  bool ImportInBulk(size_t count) override {
    grpc::ClientContext context;
    const auto stream = objects_->ImportObjects(&context);
    storage::v1::ImportObjectsRequest request;
    request.mutable_header()->set_collection(collection_);
    bool open = stream->Write(request);
    const size_t chunks = (count + kChunkObjects - 1) / kChunkObjects;
    size_t committed = 0;
    const auto await = [&](size_t chunk) {
      storage::v1::ImportObjectsResponse response;
      while (open && committed < chunk) {
        open = stream->Read(&response);
        if (!open) break;
        committed = static_cast<size_t>(response.committed_sequence_number());
        if (response.errors_size() > 0) {
          EndBenchmark(absl::StrCat("an import refused an object: ",
                                    response.errors(0).ShortDebugString()));
        }
      }
    };
    for (size_t chunk = 1; open && chunk <= chunks; ++chunk) {
      request.Clear();
      request.mutable_chunk()->set_sequence_number(static_cast<int64_t>(chunk));
      const size_t first = (chunk - 1) * kChunkObjects;
      for (size_t row = first; row < std::min(count, first + kChunkObjects);
           ++row) {
        FillObject(data_, row, *request.mutable_chunk()->add_objects());
      }
      open = stream->Write(request);
      if (chunk > kChunksUnderWay) await(chunk - kChunksUnderWay);
    }
    await(chunks);
    stream->WritesDone();
    EndUnlessOk(stream->Finish(), "import");
    if (committed < chunks) EndBenchmark("an import ended early");
    return true;
  }

  void AwaitIndexed() override {
    while (true) {
      storage::v1::GetCollectionStatsRequest request;
      request.set_name(collection_);
      grpc::ClientContext context;
      storage::v1::GetCollectionStatsResponse response;
      EndUnlessOk(
          collections_->GetCollectionStats(&context, request, &response),
          "ask for statistics");
      const auto& spaces = response.stats().vector_spaces();
      if (std::all_of(spaces.begin(), spaces.end(), [](const auto& space) {
            return space.index_state() == storage::v1::INDEX_STATE_READY;
          })) {
        return;
      }
      std::this_thread::sleep_for(kPoll);
    }
  }

  std::vector<size_t> breadths() const override {
    return {16, 24, 32, 40, 50, 64, 80, 100, 140, 200, 300};
  }
  void SetBreadth(size_t ef) override {
    for (auto& requests : queries_) {
      for (auto& request : requests) {
        request.set_ef_search(static_cast<int32_t>(ef));
      }
    }
  }

  std::optional<EngineTime> engine_time() override {
    httplib::Client http("127.0.0.1", http_port_);
    const auto response = http.Get("/metrics");
    if (!response || response->status != 200) return std::nullopt;
    EngineTime time;
    for (const absl::string_view line : absl::StrSplit(response->body, '\n')) {
      const std::pair<absl::string_view, absl::string_view> series =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      if (series.first == "diptych_search_seconds_sum") {
        if (!absl::SimpleAtod(series.second, &time.seconds)) time.seconds = 0;
      } else if (series.first == "diptych_search_seconds_count") {
        if (!absl::SimpleAtod(series.second, &time.searches)) time.searches = 0;
      }
    }
    return time;
  }
  uint64_t disk_bytes() override { return DiskBytes(options_.directory); }
  std::optional<ProcessMemory> memory() override {
    return MemoryOf(process_->pid());
  }

 private:
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  const ServiceData& data_;
  const DiptychOptions options_;
  int port_ = 0;
  int http_port_ = 0;
  std::string collection_;
  PreparedQueries queries_;
  std::unique_ptr<ServerProcess> process_;
  std::unique_ptr<CollectionService::Stub> collections_;
  std::unique_ptr<ObjectService::Stub> objects_;
};

}  // namespace

std::unique_ptr<ServiceContender> MakeDiptychContender(
    const ServiceData& data, const DiptychOptions& options) {
  return std::make_unique<DiptychContender>(data, options);
}

}  // namespace diptych
