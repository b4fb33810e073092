// A gRPC server as both services run it: one address, plaintext, with health
// (grpc.health.v1, one status per service), reflection, and a stop that loses
// no call.
//
// Operation: Start binds and serves; every registered service and "" report
// NOT_SERVING until SetServing(true). Shutdown reports NOT_SERVING, goes on
// serving for `drain_delay` so that load balancers notice, closes the listening
// socket, waits up to `shutdown_grace` for the calls in flight, cancels the
// rest, and returns when their handlers have ended. Concurrency: SetServing may
// be called from any thread, Shutdown from one that is not a handler. Handlers
// use the callback API and never block in a reactor: all reactors of the
// process share two to sixteen threads (unary_call.h runs work elsewhere).
// Limits: GrpcServerOptions. gRPC 1.51 has open weaknesses in HTTP/2 itself
// (CVE-2023-33953, CVE-2023-44487): do not expose it to the internet without a
// proxy in front.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/connection_acceptor.h"
#include "grpcpp/impl/service_type.h"

namespace grpc {
class Server;
}

namespace diptych {

struct GrpcServerOptions {
  // See ConnectionAcceptor::Listen.
  std::string listen_address = "127.0.0.1:0";
  // Of one message received; what is sent has no limit of its own.
  int message_bytes_max = 64 << 20;
  // Of buffers of all connections; beyond it gRPC reads more slowly.
  size_t buffer_bytes_max = size_t{2} << 30;
  // Calls at a time on one connection; more wait at the client.
  int calls_per_connection_max = 256;
  // Connections are closed after this long (plus or minus a tenth), so that
  // clients resolve names again and find new replicas; calls in flight get the
  // grace to end.
  absl::Duration connection_age_max = absl::Minutes(5);
  absl::Duration connection_age_grace = absl::Minutes(1);
  absl::Duration drain_delay = absl::ZeroDuration();
  absl::Duration shutdown_grace = absl::Seconds(20);
};

// A service and its full name, which health and reflection use:
// {InferenceService::service_full_name(), &service}.
struct GrpcService {
  std::string full_name;
  grpc::Service* service;
};

class GrpcServer {
 public:
  // Descriptors that stay free for everything but connections.
  static constexpr int kReservedDescriptors = 512;

  // The services must outlive the server. Errors as ConnectionAcceptor::Listen.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const GrpcServerOptions& options,
      const std::vector<GrpcService>& services);

  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // The bound port; 0 for a Unix socket.
  int port() const { return acceptor_->port(); }
  // What clients dial.
  const std::string& address() const { return acceptor_->address(); }

  // The health of every service and of "".
  void SetServing(bool serving);
  // The health of one service, by its full name.
  void SetServing(const std::string& service, bool serving);

  // May be called twice; the destructor calls it.
  void Shutdown();

 private:
  explicit GrpcServer(const GrpcServerOptions& options);

  const GrpcServerOptions options_;
  std::vector<std::string> service_names_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  bool shut_down_ = false;
};

}  // namespace diptych
