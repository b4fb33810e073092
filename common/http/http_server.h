// The HTTP/1.1 port of a server, on cpp-httplib.
//
// Operation: Start binds and serves routes, the first that fits, on threads of
// its own until Stop. A connection has a thread only while one of its requests
// is served; between requests one thread watches all of them, so idle clients
// cost next to nothing and may stay. Answers are not compressed and ranges are
// not cut.
// Concurrency: every method may be called from any thread; handlers run on up
// to `threads` threads.
// Limits: HttpServerOptions; over them 413, 429 or 503, or the connection is
// closed. No authentication and no TLS: bind it to loopback or to a network of
// friends.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/http/http_message.h"
#include "common/observability/metrics.h"

namespace diptych {

struct HttpServerOptions {
  // "HOST:PORT" or "[V6]:PORT"; port 0 takes a free one.
  std::string address = {};
  // More than HttpServer::kThreadsForQuick.
  int threads = 16;
  int connections_max = 1024;
  // Of one request, and of all that are being read or served together.
  size_t body_bytes_max = size_t{1} << 20;
  size_t body_bytes_total_max = size_t{64} << 20;
  // Between two requests of a connection.
  absl::Duration keep_alive = absl::Seconds(120);
  // Within a request or an answer; in whole seconds.
  absl::Duration silence_max = absl::Seconds(10);
  HttpErrorResponse error_response = {};
};

class HttpServer {
 public:
  static constexpr int kThreadsForQuick = 4;

  // `metrics` and what handlers use must outlive the server. INVALID_ARGUMENT
  // for a malformed address, UNAVAILABLE when it cannot be bound,
  // RESOURCE_EXHAUSTED when the system gives no descriptors.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      HttpServerOptions options, std::vector<HttpRoute> routes,
      MetricsRegistry& metrics);

  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }

  // Closes the port and idle connections, and returns when the requests that
  // run are answered. May be called twice.
  void Stop();

 private:
  class Impl;

  HttpServer(std::unique_ptr<Impl> impl, int port);

  const std::unique_ptr<Impl> impl_;
  const int port_;
};

}  // namespace diptych
