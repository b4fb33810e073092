#include "common/http/http_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/concurrency/thread_pool.h"
#include "common/http/connection_stream.h"
#include "common/http/idle_connections.h"
#include "common/http/route_table.h"
#include "common/status/status_macros.h"
#include "httplib.h"

namespace diptych {
namespace {

constexpr MetricDescription kRequests = {"diptych_http_requests_total",
                                         "Answered requests by route and code"};
constexpr MetricDescription kDuration = {
    "diptych_http_duration_seconds",
    "From the head of a request to its answer, by route"};
constexpr MetricDescription kConnections = {"diptych_http_connections",
                                            "Open connections"};
constexpr char kOtherRoute[] = "other";
constexpr absl::Duration kBusyRetryAfter = absl::Seconds(1);

// The one request that a thread serves. cpp-httplib tells its callbacks the
// request but not the connection.
struct Exchange {
  absl::Time begin;
  const ConnectionStream* connection = nullptr;
  const HttpRoute* route = nullptr;
  // The rest of the body was left unread.
  bool close = false;
  size_t body_bytes = 0;
  bool holds_blocking_place = false;
};
thread_local Exchange* exchange = nullptr;

// Runs what it gets at once: handing a connection over does not block.
class InlineTaskQueue final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> task) override { task(); }
  void shutdown() override {}
};

struct HostAndPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostAndPort> ParseAddress(absl::string_view address) {
  HostAndPort result;
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &result.port) ||
      result.port < 0 || result.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an HTTP address is HOST:PORT, e.g. 127.0.0.1:8081; given: ", address));
  }
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  result.host = std::string(host.empty() ? "0.0.0.0" : host);
  return result;
}

void Fill(HttpResponse from, httplib::Response& to) {
  to.status = from.status;
  if (from.retry_after.has_value()) {
    const int64_t seconds =
        absl::ToInt64Seconds(absl::Ceil(*from.retry_after, absl::Seconds(1)));
    to.set_header("Retry-After", std::to_string(std::max<int64_t>(1, seconds)));
  }
  if (from.body.empty()) return;
  to.body = std::move(from.body);
  to.set_header("Content-Type", from.content_type);
}

}  // namespace

class HttpServer::Impl final : public httplib::Server {
 public:
  Impl(HttpServerOptions options, std::vector<HttpRoute> routes,
       MetricsRegistry& metrics)
      : options_(std::move(options)),
        routes_(std::move(routes)),
        metrics_(metrics),
        connections_gauge_(metrics.AddGauge(kConnections)),
        workers_({.name = "http",
                  .threads = options_.threads,
                  .queue_max = options_.connections_max}) {
    if (options_.error_response == nullptr) {
      options_.error_response = [](absl::string_view, int status,
                                   absl::string_view message) {
        return JsonError(status, message);
      };
    }
    Configure();
    for (const HttpRoute& route : routes_.routes()) AddRoute(route);
  }

  ~Impl() override { Stop(); }

  // The port. As HttpServer::Start.
  absl::StatusOr<int> Listen() {
    DIPTYCH_ASSIGN_OR_RETURN(const HostAndPort address,
                             ParseAddress(options_.address));
    DIPTYCH_ASSIGN_OR_RETURN(
        idle_,
        IdleConnections::Start(options_.keep_alive,
                               [this](IdleConnections::Connection connection) {
                                 Schedule(std::move(connection));
                               }));
    int port = address.port;
    if (port == 0) {
      port = bind_to_any_port(address.host);
    } else if (!bind_to_port(address.host, port)) {
      port = -1;
    }
    if (port <= 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen for HTTP; is the address another "
                       "server's? ",
                       options_.address));
    }
    acceptor_ = std::thread([this] { listen_after_bind(); });
    // stop() does nothing to a server that does not run yet.
    while (!is_running()) std::this_thread::yield();
    return port;
  }

  void Stop() {
    stopping_ = true;
    if (acceptor_.joinable()) {
      stop();
      acceptor_.join();
    }
    if (idle_ != nullptr) idle_->Stop();
    workers_.Shutdown();
  }

 private:
  void Configure() {
    // The library's default is SO_REUSEPORT, with which two servers share a
    // port without noticing.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    new_task_queue = [] { return new InlineTaskQueue; };
    set_tcp_nodelay(true);
    set_payload_max_length(options_.body_bytes_max);
    set_read_timeout(absl::ToInt64Seconds(options_.silence_max));
    set_write_timeout(absl::ToInt64Seconds(options_.silence_max));
    // What answers promise; IdleConnections keeps the promise.
    set_keep_alive_timeout(absl::ToInt64Seconds(options_.keep_alive));
    set_keep_alive_max_count(1'000'000);
    set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          return Admit(request, response)
                     ? httplib::Server::HandlerResponse::Unhandled
                     : httplib::Server::HandlerResponse::Handled;
        });
    set_exception_handler([this](const httplib::Request& request,
                                 httplib::Response& response,
                                 const std::exception_ptr&) {
      Refuse(request, 500, "a handler failed", response);
    });
    // What the library itself refuses comes without a body.
    set_error_handler(httplib::Server::Handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (!response.body.empty()) return;
          Fill(options_.error_response(request.path, response.status,
                                       "the HTTP request is malformed"),
               response);
        }));
    set_post_routing_handler(
        [this](const httplib::Request&, httplib::Response& response) {
          Count(response.status);
        });
  }

  void AddRoute(const HttpRoute& route) {
    const std::string regex = RoutePatternToRegex(route.pattern);
    if (route.method == "GET") {
      Get(regex, [&route](const httplib::Request& request,
                          httplib::Response& response) {
        Serve(route, request, "", response);
      });
      return;
    }
    httplib::Server::HandlerWithContentReader with_body =
        [this, &route](const httplib::Request& request,
                       httplib::Response& response,
                       const httplib::ContentReader& reader) {
          std::string body;
          if (ReadBody(request, reader, body, response)) {
            Serve(route, request, std::move(body), response);
          }
          // Before the answer goes out, so that whoever has it finds the room.
          ReleaseBody();
        };
    if (route.method == "POST") Post(regex, with_body);
    if (route.method == "PUT") Put(regex, with_body);
    if (route.method == "PATCH") Patch(regex, with_body);
    if (route.method == "DELETE") {
      Delete(regex, with_body);
      // Without a body the library looks here.
      Delete(regex, [&route](const httplib::Request& request,
                             httplib::Response& response) {
        Serve(route, request, "", response);
      });
    }
  }

  static void Serve(const HttpRoute& route, const httplib::Request& request,
                    std::string body, httplib::Response& response) {
    HttpRequest parsed;
    parsed.path = request.path;
    for (size_t i = 1; i < request.matches.size(); ++i) {
      parsed.parameters.push_back(request.matches[i].str());
    }
    parsed.body = std::move(body);
    parsed.hung_up = [connection = exchange->connection] {
      return connection->has_hung_up();
    };
    Fill(route.handler(std::move(parsed)), response);
  }

  // Finds the route before the body is read. False: refused, and `response` is
  // the answer.
  bool Admit(const httplib::Request& request, httplib::Response& response) {
    exchange->route = routes_.Find(request.method, request.path);
    const bool has_body = request.has_header("Content-Length") ||
                          request.has_header("Transfer-Encoding");
    if (exchange->route == nullptr) {
      exchange->close = has_body;
      const std::string allowed = routes_.Allowed(request.path);
      if (!allowed.empty()) response.set_header("Allow", allowed);
      Refuse(request, allowed.empty() ? 404 : 405,
             allowed.empty()
                 ? absl::StrCat("there is nothing at ", request.path)
                 : absl::StrCat("the method must be ", allowed,
                                "; given: ", request.method),
             response);
      return false;
    }
    if (!exchange->route->blocks) return true;
    exchange->holds_blocking_place = true;
    if (++blocking_ <= options_.threads - kThreadsForQuick) return true;
    exchange->close = has_body;
    Refuse(request, 429,
           absl::StrCat("too many requests at a time; at most ",
                        options_.threads - kThreadsForQuick, " are served"),
           response);
    return false;
  }

  void ReleaseBody() {
    body_bytes_ -= exchange->body_bytes;
    exchange->body_bytes = 0;
  }

  // False: refused, and `response` is the answer.
  bool ReadBody(const httplib::Request& request,
                const httplib::ContentReader& reader, std::string& body,
                httplib::Response& response) {
    const bool chunked = request.has_header("Transfer-Encoding");
    // Without either, HTTP/1.1 has no body; the library would wait for the end
    // of the connection.
    if (!chunked && !request.has_header("Content-Length")) return true;
    if (request.is_multipart_form_data()) {
      exchange->close = true;
      Refuse(request, 415, "a body of several parts is not read; send JSON",
             response);
      return false;
    }
    bool too_large = false;
    bool too_busy = false;
    const bool complete = reader([&](const char* data, size_t size) {
      too_large = body.size() + size > options_.body_bytes_max;
      if (too_large) return false;
      exchange->body_bytes += size;
      too_busy = (body_bytes_ += size) > options_.body_bytes_total_max;
      if (too_busy) return false;
      body.append(data, size);
      return true;
    });
    if (complete) return true;
    // What has Content-Length and is too large was read and dropped.
    const bool dropped = response.status == 413;
    exchange->close = !dropped;
    if (too_large || dropped) {
      Refuse(request, 413,
             absl::StrCat("the body has more bytes than the allowed ",
                          options_.body_bytes_max),
             response);
    } else if (too_busy) {
      Refuse(request, 503, "too many bytes are being received; try again later",
             response);
    } else {
      Refuse(request, 400, "the body did not come whole", response);
    }
    return false;
  }

  void Refuse(const httplib::Request& request, int status,
              absl::string_view message, httplib::Response& response) const {
    HttpResponse refused =
        options_.error_response(request.path, status, message);
    if (status == 429 || status == 503) refused.retry_after = kBusyRetryAfter;
    response.body.clear();
    Fill(std::move(refused), response);
    if (exchange->close) response.set_header("Connection", "close");
  }

  void Count(int status) {
    const MetricLabels route = {{"route", exchange->route == nullptr
                                              ? kOtherRoute
                                              : exchange->route->pattern}};
    MetricLabels labels = route;
    labels["code"] = std::to_string(status);
    metrics_.AddCounter(kRequests, labels).Increment();
    metrics_.AddHistogram(kDuration, DurationBuckets(), route)
        .Observe(absl::ToDoubleSeconds(absl::Now() - exchange->begin));
  }

  // A new connection, on the accepting thread.
  bool process_and_close_socket(socket_t socket) override {
    connections_gauge_.Increment();
    ++connections_;
    IdleConnections::Connection connection(
        new ConnectionStream(socket, options_.silence_max),
        [this](ConnectionStream* stream) {
          delete stream;
          --connections_;
          connections_gauge_.Decrement();
        });
    if (connections_ <= options_.connections_max) {
      idle_->Add(std::move(connection));
    }
    return true;
  }

  void Schedule(IdleConnections::Connection connection) {
    // Refused only when stopping: the queue has room for every connection.
    (void)workers_.TrySchedule(
        [this, connection = std::move(connection)]() mutable {
          if (ServeRequests(*connection)) idle_->Add(std::move(connection));
        });
  }

  // Serves what has arrived. Whether the connection goes on.
  bool ServeRequests(ConnectionStream& connection) {
    do {
      Exchange here{.begin = absl::Now(), .connection = &connection};
      exchange = &here;
      bool closed = false;
      const bool served = process_request(
          connection, stopping_, closed, [](httplib::Request& request) {
            request.headers.erase("Accept-Encoding");
            request.ranges.clear();
          });
      exchange = nullptr;
      if (here.holds_blocking_place) --blocking_;
      if (here.close) connection.Linger();
      if (!served || closed || here.close || stopping_) return false;
    } while (connection.has_buffered());
    return true;
  }

  HttpServerOptions options_;
  const RouteTable routes_;
  MetricsRegistry& metrics_;
  Gauge& connections_gauge_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> blocking_{0};
  std::atomic<size_t> body_bytes_{0};
  std::unique_ptr<IdleConnections> idle_;
  std::thread acceptor_;
  ThreadPool workers_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    HttpServerOptions options, std::vector<HttpRoute> routes,
    MetricsRegistry& metrics) {
  auto impl =
      std::make_unique<Impl>(std::move(options), std::move(routes), metrics);
  DIPTYCH_ASSIGN_OR_RETURN(const int port, impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl), port));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl, int port)
    : impl_(std::move(impl)), port_(port) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Stop() { impl_->Stop(); }

}  // namespace diptych
