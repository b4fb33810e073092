#include "common/rpc/grpc_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/status_macros.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"

namespace diptych {
namespace {

// Keepalive: a peer that vanished is noticed within 70 s; clients may ping
// every 10 s (gRPC's default punishes pings more often than every 5 minutes).
constexpr absl::Duration kKeepaliveInterval = absl::Seconds(60);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);
constexpr absl::Duration kClientPingIntervalMin = absl::Seconds(10);
constexpr absl::Duration kConnectionIdleMax = absl::Minutes(15);

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(duration),
                                            std::numeric_limits<int>::max()));
}

// The highest descriptor that a connection may have.
int ConnectionDescriptorsMax() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto open_files = static_cast<int>(
      std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
  return std::max(open_files / 2,
                  open_files - GrpcServer::kReservedDescriptors);
}

void SetChannelArguments(const GrpcServerOptions& options,
                         grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.message_bytes_max);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             options.calls_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Milliseconds(kKeepaliveInterval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(kClientPingIntervalMin));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             Milliseconds(kConnectionIdleMax));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             Milliseconds(options.connection_age_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             Milliseconds(options.connection_age_grace));
  grpc::ResourceQuota quota("server");
  quota.Resize(options.buffer_bytes_max);
  builder.SetResourceQuota(quota);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const GrpcServerOptions& options,
    const std::vector<GrpcService>& services) {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    // Reflection is a synchronous service, and gRPC 1.51 serves externally
    // accepted connections only when there is one.
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
  std::unique_ptr<GrpcServer> server(new GrpcServer(options));
  DIPTYCH_ASSIGN_OR_RETURN(server->acceptor_,
                           ConnectionAcceptor::Listen(options.listen_address));
  grpc::ServerBuilder builder;
  SetChannelArguments(options, builder);
  for (const GrpcService& service : services) {
    builder.RegisterService(service.service);
    server->service_names_.push_back(service.full_name);
  }
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> handover =
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::
              FROM_FD,
          grpc::InsecureServerCredentials());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::InternalError("gRPC did not start the server");
  }
  server->SetServing(false);
  server->acceptor_->Start(
      ConnectionDescriptorsMax(),
      [handover = std::move(handover)](int descriptor) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
            connection;
        connection.fd = descriptor;
        handover->HandleNewConnection(&connection);
      });
  return server;
}

GrpcServer::GrpcServer(const GrpcServerOptions& options) : options_(options) {}

GrpcServer::~GrpcServer() { Shutdown(); }

void GrpcServer::SetServing(bool serving) {
  SetServing("", serving);
  for (const std::string& name : service_names_) SetServing(name, serving);
}

void GrpcServer::SetServing(const std::string& service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(service, serving);
}

void GrpcServer::Shutdown() {
  if (shut_down_ || server_ == nullptr) return;
  shut_down_ = true;
  // Sticky: nobody can set it back to serving.
  server_->GetHealthCheckService()->Shutdown();
  absl::SleepFor(options_.drain_delay);
  acceptor_->Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + options_.shutdown_grace));
}

}  // namespace diptych
