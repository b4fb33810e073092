#include "tests/bench/grpc_floor.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "tests/bench/server_process.h"
#include "tests/bench/service_contender.h"
#include "tests/bench/service_data.h"
#include "tests/bench/service_load.h"

namespace diptych {
namespace {

using storage::v1::QueryRequest;
using storage::v1::QueryResponse;
using storage::v1::SearchService;

// About what an engine takes.
constexpr double kWorkSeconds[] = {0, 1e-4};

void Answer(double work_seconds, QueryResponse& response) {
  const double start = SecondsNow();
  while (SecondsNow() - start < work_seconds) {
  }
  for (size_t i = 0; i < kServiceNearest; ++i) {
    storage::v1::QueryResult& result = *response.add_results();
    result.mutable_object()->set_id(ServiceObjectId(12'345 + i));
    result.mutable_object()->mutable_create_time()->set_seconds(1'700'000'000);
    result.mutable_object()->mutable_update_time()->set_seconds(1'700'000'000);
    result.set_distance(0.25);
    result.set_certainty(0.875);
  }
}

class Server {
 public:
  virtual ~Server() = default;
  virtual std::string api() const = 0;

  const std::string& address() const { return address_; }

 protected:
  void Prepare(grpc::Service& service) {
    address_ = absl::StrCat("127.0.0.1:", FreePort());
    builder_.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder_.RegisterService(&service);
  }
  void Start() {
    server_ = builder_.BuildAndStart();
    if (server_ == nullptr) EndBenchmark("gRPC did not start a server");
  }

  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::Server> server_;

 private:
  std::string address_;
};

class CallbackServer final : public Server {
 public:
  explicit CallbackServer(double work_seconds) : service_(work_seconds) {
    Prepare(service_);
    Start();
  }
  ~CallbackServer() override { server_->Shutdown(); }
  std::string api() const override { return "callback"; }

 private:
  struct Service final : SearchService::CallbackService {
    explicit Service(double seconds) : work_seconds(seconds) {}
    grpc::ServerUnaryReactor* Query(grpc::CallbackServerContext* context,
                                    const QueryRequest*,
                                    QueryResponse* response) override {
      Answer(work_seconds, *response);
      grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    const double work_seconds;
  };

  Service service_;
};

class SynchronousServer final : public Server {
 public:
  explicit SynchronousServer(double work_seconds) : service_(work_seconds) {
    Prepare(service_);
    Start();
  }
  ~SynchronousServer() override { server_->Shutdown(); }
  std::string api() const override { return "synchronous"; }

 private:
  struct Service final : SearchService::Service {
    explicit Service(double seconds) : work_seconds(seconds) {}
    grpc::Status Query(grpc::ServerContext*, const QueryRequest*,
                       QueryResponse* response) override {
      Answer(work_seconds, *response);
      return grpc::Status::OK;
    }
    const double work_seconds;
  };

  Service service_;
};

// One thread polls and answers.
class QueueServer final : public Server {
 public:
  explicit QueueServer(double work_seconds) : work_seconds_(work_seconds) {
    Prepare(service_);
    queue_ = builder_.AddCompletionQueue();
    Start();
    thread_ = std::thread([this] { Serve(); });
  }
  ~QueueServer() override {
    server_->Shutdown();
    queue_->Shutdown();
    thread_.join();
  }
  std::string api() const override { return "completion queue"; }

 private:
  struct Call {
    grpc::ServerContext context;
    QueryRequest request;
    QueryResponse response;
    grpc::ServerAsyncResponseWriter<QueryResponse> writer{&context};
    bool answered = false;
  };

  void Await() {
    auto* const call = new Call;
    service_.RequestQuery(&call->context, &call->request, &call->writer,
                          queue_.get(), queue_.get(), call);
  }
  void Serve() {
    Await();
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      auto* const call = static_cast<Call*>(tag);
      if (!ok || call->answered) {
        delete call;
        continue;
      }
      Await();
      Answer(work_seconds_, call->response);
      call->answered = true;
      call->writer.Finish(call->response, grpc::Status::OK, call);
    }
  }

  const double work_seconds_;
  SearchService::WithAsyncMethod_Query<SearchService::Service> service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
};

struct Measured {
  double work_seconds = 0;
  std::unique_ptr<Server> server;
  std::unique_ptr<SearchService::Stub> stub;
  std::vector<double> seconds;
};

void Ask(const QueryRequest& request, double seconds, Measured& measured) {
  for (const double end = SecondsNow() + seconds; SecondsNow() < end;) {
    grpc::ClientContext context;
    QueryResponse response;
    const double start = SecondsNow();
    const grpc::Status status =
        measured.stub->Query(&context, request, &response);
    measured.seconds.push_back(SecondsNow() - start);
    if (!status.ok()) EndBenchmark(status.error_message());
  }
}

}  // namespace

std::vector<GrpcFloor> MeasureGrpcFloor(size_t dimension, double seconds,
                                        size_t rounds) {
  std::vector<Measured> all;
  for (const double work_seconds : kWorkSeconds) {
    std::vector<std::unique_ptr<Server>> servers;
    servers.push_back(std::make_unique<CallbackServer>(work_seconds));
    servers.push_back(std::make_unique<QueueServer>(work_seconds));
    servers.push_back(std::make_unique<SynchronousServer>(work_seconds));
    for (auto& server : servers) {
      auto stub = SearchService::NewStub(grpc::CreateChannel(
          server->address(), grpc::InsecureChannelCredentials()));
      all.push_back({work_seconds, std::move(server), std::move(stub), {}});
    }
  }
  QueryRequest request;
  request.set_collection("bench");
  request.set_top_k(kServiceNearest);
  auto& values =
      *request.mutable_near_vector()->mutable_vector()->mutable_dense();
  for (size_t i = 0; i < dimension; ++i) values.add_values(0.5F);
  for (Measured& measured : all) {
    // Connections are made before the time is taken.
    Ask(request, 0.01, measured);
    measured.seconds.clear();
  }
  for (size_t round = 0; round < rounds; ++round) {
    for (Measured& measured : all) Ask(request, seconds, measured);
  }
  std::vector<GrpcFloor> floors;
  for (Measured& measured : all) {
    std::vector<double>& sorted = measured.seconds;
    std::sort(sorted.begin(), sorted.end());
    floors.push_back({measured.server->api(), 1e3 * measured.work_seconds,
                      1e3 * sorted[sorted.size() / 2],
                      1e3 * sorted[sorted.size() * 99 / 100]});
  }
  return floors;
}

}  // namespace diptych
