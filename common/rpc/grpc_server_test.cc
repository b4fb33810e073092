// The server and both ways to answer a unary call, over real connections.
#include "common/rpc/grpc_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "common/concurrency/thread_pool.h"
#include "common/observability/logging.h"
#include "common/rpc/signals.h"
#include "common/rpc/status_conversion.h"
#include "common/rpc/unary_call.h"
#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/sync_stream.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;
using Message = google::rpc::Status;

constexpr char kMethod[] = "/test.Echo/Call";

// One unary method, as generated code registers it, whose answer a test
// chooses.
class EchoService final : public grpc::Service {
 public:
  using Handler = std::function<grpc::ServerUnaryReactor*(
      grpc::CallbackServerContext*, const Message*, Message*)>;

  explicit EchoService(Handler handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        kMethod, grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodCallback(
        0, new grpc::internal::CallbackUnaryHandler<Message, Message>(
               std::move(handler)));
  }
};

struct Answer {
  absl::Status status;
  Message message;
};

// A call in flight.
class PendingCall {
 public:
  PendingCall(const std::shared_ptr<grpc::Channel>& channel,
              absl::Duration timeout = absl::InfiniteDuration(),
              const std::string& text = "hello")
      : stub_(channel) {
    if (timeout < absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    }
    request_.set_message(text);
    stub_.UnaryCall(&context_, kMethod, {}, &request_, &answer_.message,
                    [this](grpc::Status status) {
                      answer_.status = FromGrpcStatus(status);
                      done_.Notify();
                    });
  }
  ~PendingCall() { done_.WaitForNotification(); }

  void Cancel() { context_.TryCancel(); }
  const Answer& Wait() {
    done_.WaitForNotification();
    return answer_;
  }

 private:
  grpc::TemplatedGenericStub<Message, Message> stub_;
  grpc::ClientContext context_;
  Message request_;
  Answer answer_;
  absl::Notification done_;
};

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Every channel has a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// grpc.health.v1: 1 is SERVING, 2 is NOT_SERVING. The message is written by
// hand because Debian ships no headers of it.
absl::StatusOr<int> AskHealth(const std::shared_ptr<grpc::Channel>& channel,
                              const std::string& service = "") {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::Status status;
  std::string bytes;
  if (!service.empty()) {
    bytes = {'\x0a', static_cast<char>(service.size())};
    bytes += service;
  }
  const grpc::Slice request_slice(bytes);
  const grpc::ByteBuffer request(&request_slice, 1);
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                 &response, [&](grpc::Status result) {
                   status = result;
                   done.Notify();
                 });
  done.WaitForNotification();
  if (!status.ok()) return FromGrpcStatus(status);
  grpc::Slice slice;
  EXPECT_TRUE(response.DumpToSingleSlice(&slice).ok());
  return slice.size() == 2 ? slice.begin()[1] : 0;
}
int Health(const std::shared_ptr<grpc::Channel>& channel,
           const std::string& service = "") {
  const absl::StatusOr<int> health = AskHealth(channel, service);
  EXPECT_THAT(health, IsOk());
  return health.value_or(0);
}

class GrpcServerTest : public ::testing::Test {
 protected:
  void Start(GrpcServerOptions options = {}) {
    auto server = GrpcServer::Start(options, {{"test.Echo", &service_}});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    server_->SetServing(true);
    channel_ = Connect(server_->address());
  }

  // Answers with the request, on `executor_` or, when `async_` is set, later.
  grpc::ServerUnaryReactor* Handle(grpc::CallbackServerContext* context,
                                   const Message* request, Message* response) {
    if (async_) {
      return StartUnaryCall(
          context, {}, [=, this](const CallContext& call, UnaryCallDone done) {
            *response = *request;
            async_(call, std::move(done));
          });
    }
    return RunUnaryCall(
        context,
        {.metrics = &metrics_, .clock = &clock_, .inline_runs = inline_runs_},
        executor_, [=, this](const CallContext& call) {
          *response = *request;
          return handler_ ? handler_(call) : absl::OkStatus();
        });
  }

  FakeClock clock_{absl::Now()};
  MetricsRegistry registry_;
  MethodMetrics metrics_{registry_, "Call"};
  ManualExecutor executor_{2};
  InlineRuns* inline_runs_ = nullptr;
  std::function<absl::Status(const CallContext&)> handler_;
  std::function<void(const CallContext&, UnaryCallDone)> async_;
  EchoService service_{[this](auto* context, auto* request, auto* response) {
    return Handle(context, request, response);
  }};
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;

  // Runs scheduled handlers until `done`.
  void RunUntil(const std::function<bool()>& done) {
    while (!done()) {
      if (!executor_.RunOne()) std::this_thread::yield();
    }
  }
};

TEST_F(GrpcServerTest, AnswersOnTheExecutorAndMeasures) {
  Start();
  PendingCall call(channel_);
  RunUntil([this] {
    return registry_.TextExposition().find(
               "diptych_rpc_finished_total{code=\"OK\",method=\"Call\"} 1") !=
           std::string::npos;
  });
  EXPECT_THAT(call.Wait().status, IsOk());
  EXPECT_EQ(call.Wait().message.message(), "hello");
}

TEST_F(GrpcServerTest, ErrorArrivesWithItsDetails) {
  handler_ = [](const CallContext&) {
    return InvalidField("inputs[1].text", "is empty");
  };
  Start();
  PendingCall call(channel_);
  while (executor_.pending() == 0) std::this_thread::yield();
  executor_.RunAll();
  EXPECT_THAT(call.Wait().status, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(FieldViolationsOf(call.Wait().status).size(), 1u);
}

TEST_F(GrpcServerTest, FullQueueSaysWhenToComeBack) {
  Start();
  PendingCall first(channel_), second(channel_);
  while (executor_.pending() < 2) std::this_thread::yield();
  PendingCall third(channel_);
  EXPECT_THAT(third.Wait().status,
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryAfterOf(third.Wait().status), absl::Milliseconds(200));
  executor_.RunAll();
  EXPECT_THAT(first.Wait().status, IsOk());
  EXPECT_THAT(second.Wait().status, IsOk());
}

TEST_F(GrpcServerTest, ShortCallRunsAtOnceWhileThereIsAPlace) {
  InlineRuns places(1);
  inline_runs_ = &places;
  std::atomic<int> runs{0};
  absl::Notification entered, go;
  handler_ = [&](const CallContext&) {
    if (runs++ == 0) {
      entered.Notify();
      go.WaitForNotification();
    }
    return absl::OkStatus();
  };
  Start();
  PendingCall first(channel_);
  entered.WaitForNotification();
  // No place for it, and the other threads of gRPC go on.
  PendingCall second(channel_);
  while (executor_.pending() == 0) std::this_thread::yield();
  EXPECT_EQ(Health(channel_), 1);
  executor_.RunAll();
  EXPECT_THAT(second.Wait().status, IsOk());
  go.Notify();
  EXPECT_THAT(first.Wait().status, IsOk());
  // The place is free again.
  PendingCall third(channel_);
  EXPECT_THAT(third.Wait().status, IsOk());
  EXPECT_EQ(third.Wait().message.message(), "hello");
  EXPECT_EQ(runs, 3);
  EXPECT_TRUE(places.TryEnter());
  EXPECT_FALSE(places.TryEnter());
}

TEST_F(GrpcServerTest, ShortCallWhoseDeadlineHasPassedIsNotRun) {
  InlineRuns places(1);
  inline_runs_ = &places;
  std::atomic<int> runs{0};
  handler_ = [&](const CallContext&) {
    ++runs;
    return absl::OkStatus();
  };
  Start();
  clock_.Advance(absl::Hours(2));
  PendingCall call(channel_, absl::Hours(1));
  EXPECT_THAT(call.Wait().status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(runs, 0);
}

TEST_F(GrpcServerTest, HandlerWhoseDeadlinePassedInTheQueueIsNotRun) {
  std::atomic<int> ran{0};
  handler_ = [&](const CallContext&) {
    ++ran;
    return absl::OkStatus();
  };
  Start();
  PendingCall call(channel_, absl::Hours(1));
  while (executor_.pending() == 0) std::this_thread::yield();
  clock_.Advance(absl::Hours(2));
  executor_.RunAll();
  EXPECT_THAT(call.Wait().status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                                           HasSubstr("allow more time")));
  EXPECT_EQ(ran, 0);
}

TEST_F(GrpcServerTest, AsyncHandlerAnswersFromAnotherThreadAndSeesCancelling) {
  ThreadPool answering({.name = "answering", .threads = 1});
  absl::Notification arrived, noticed;
  async_ = [&](const CallContext& call, UnaryCallDone done) {
    ASSERT_TRUE(
        answering.TrySchedule([&, call, done = std::move(done)]() mutable {
          arrived.Notify();
          while (!call.cancelled()) std::this_thread::yield();
          noticed.Notify();
          std::move(done)(call.Check(absl::Now()));
        }));
  };
  Start();
  PendingCall call(channel_);
  arrived.WaitForNotification();
  call.Cancel();
  noticed.WaitForNotification();
  EXPECT_THAT(call.Wait().status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(GrpcServerTest, HealthFollowsServing) {
  Start();
  EXPECT_EQ(Health(channel_), 1);
  EXPECT_EQ(Health(channel_, "test.Echo"), 1);
  server_->SetServing(false);
  EXPECT_EQ(Health(channel_), 2);
  EXPECT_EQ(Health(channel_, "test.Echo"), 2);
}

TEST_F(GrpcServerTest, ReflectionListsServices) {
  Start();
  grpc::ClientContext context;
  const std::unique_ptr<
      grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>>
      stream(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer,
                                                       grpc::ByteBuffer>::
                 Create(channel_.get(),
                        grpc::internal::RpcMethod(
                            "/grpc.reflection.v1alpha.ServerReflection/"
                            "ServerReflectionInfo",
                            grpc::internal::RpcMethod::BIDI_STREAMING),
                        &context));
  // list_services = "" (field 7).
  const grpc::Slice slice(std::string("\x3a\x00", 2));
  ASSERT_TRUE(stream->Write(grpc::ByteBuffer(&slice, 1)));
  grpc::ByteBuffer answer;
  ASSERT_TRUE(stream->Read(&answer));
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  EXPECT_THAT(std::string(bytes.begin(), bytes.end()), HasSubstr("test.Echo"));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcServerTest, OversizedMessageIsRefused) {
  Start({.message_bytes_max = 1000});
  PendingCall call(channel_, absl::InfiniteDuration(), std::string(2000, 'x'));
  EXPECT_THAT(call.Wait().status,
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(GrpcServerTest, ShutdownWaitsForCallsInFlight) {
  Start({.shutdown_grace = absl::Hours(1)});
  PendingCall call(channel_);
  while (executor_.pending() == 0) std::this_thread::yield();
  std::atomic<bool> stopped{false};
  std::thread stopping([this, &stopped] {
    server_->Shutdown();
    stopped = true;
  });
  // New calls are refused once the stop has begun.
  while (AskHealth(channel_).ok()) std::this_thread::yield();
  EXPECT_FALSE(stopped);
  executor_.RunAll();
  stopping.join();
  EXPECT_THAT(call.Wait().status, IsOk());
}

TEST_F(GrpcServerTest, ShutdownCancelsCallsAfterTheGrace) {
  ThreadPool answering({.name = "answering", .threads = 1});
  absl::Notification arrived;
  async_ = [&](const CallContext& call, UnaryCallDone done) {
    ASSERT_TRUE(
        answering.TrySchedule([&, call, done = std::move(done)]() mutable {
          arrived.Notify();
          while (!call.cancelled()) std::this_thread::yield();
          std::move(done)(absl::CancelledError("stopping"));
        }));
  };
  Start({.shutdown_grace = absl::Milliseconds(1)});
  PendingCall call(channel_);
  arrived.WaitForNotification();
  server_->Shutdown();
  EXPECT_FALSE(call.Wait().status.ok());
}

TEST_F(GrpcServerTest, PortOfAnotherServerIsAnError) {
  Start();
  EXPECT_THAT(GrpcServer::Start({.listen_address = server_->address()}, {}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(std::to_string(server_->port()))));
  EXPECT_THAT(GrpcServer::Start({.listen_address = "nonsense"}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GrpcServerTest, ServesAUnixSocketAndReplacesAStaleOne) {
  TempDirectory directory;
  const std::string address = "unix:" + directory.File("s");
  for (int i = 0; i < 2; ++i) {
    Start({.listen_address = address});
    EXPECT_EQ(Health(channel_), 1);
    EXPECT_THAT(GrpcServer::Start({.listen_address = address}, {}),
                StatusIs(absl::StatusCode::kUnavailable));
    server_.reset();
  }
  // What a killed server leaves: an acceptor that never ran removes no file.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto acceptor,
                               ConnectionAcceptor::Listen(address));
  acceptor.reset();
  Start({.listen_address = address});
  EXPECT_EQ(Health(channel_), 1);
}

// CVE-2023-4785: gRPC's own loop never accepts again after this.
TEST_F(GrpcServerTest, AcceptsAgainAfterRunningOutOfDescriptors) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // The logger is made now: UndefinedBehaviorSanitizer opens a pipe to check
  // the type of an object that it sees for the first time.
  LogInfo("running out of descriptors on purpose");
  Start();
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> sockets;
  for (int i = 0; i < 40; ++i) {
    sockets.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_GE(sockets.back(), 0);
  }
  // No descriptor is left for the server's side of these connections.
  const rlimit low = {static_cast<rlim_t>(sockets.back() + 1), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  for (const int client : sockets) {
    ASSERT_EQ(
        connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
  }
  for (const int client : sockets) close(client);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(Health(Connect(server_->address())), 1);
}

TEST(RaiseOpenFileLimitTest, RefusesALimitThatIsTooLow) {
  EXPECT_THAT(RaiseOpenFileLimit(1), IsOk());
  EXPECT_THAT(
      RaiseOpenFileLimit(2'000'000'000),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ulimit -n")));
}

TEST(StopSignalsTest, WaitReturnsTheSignal) {
  StopSignals signals;
  pthread_kill(pthread_self(), SIGTERM);
  EXPECT_EQ(signals.Wait(), SIGTERM);
}

}  // namespace
}  // namespace diptych
