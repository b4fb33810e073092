// The server over real connections.
#include "common/http/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/http/route_table.h"
#include "common/http/standard_routes.h"
#include "common/testing/http_client.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

HttpResponse Text(std::string text) {
  return {200, std::move(text), "text/plain"};
}

// A connection that a test writes to by hand.
class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)),
              0);
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Send(const std::string& bytes) const {
    EXPECT_EQ(send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Reads until `wanted` has come, or the server closes.
  std::string ReadUntil(const std::string& wanted) const {
    std::string got;
    while (got.find(wanted) == std::string::npos && Read(got)) {
    }
    return got;
  }
  std::string ReadToEnd() const {
    std::string got;
    while (Read(got)) {
    }
    return got;
  }

 private:
  // False at the end.
  bool Read(std::string& got) const {
    char buffer[4096];
    const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
    if (count > 0) got.append(buffer, static_cast<size_t>(count));
    return count > 0;
  }

  const int socket_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(std::vector<HttpRoute> routes, HttpServerOptions options = {}) {
    options.address = "127.0.0.1:0";
    auto server = HttpServer::Start(options, std::move(routes), metrics_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    client_ = ConnectHttp(server_->port());
  }

  static std::vector<HttpRoute> Echo() {
    return {{"POST", "/echo", [](HttpRequest request) {
               return Text(std::move(request.body));
             }}};
  }

  MetricsRegistry metrics_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(HttpServerTest, AnswersMetricsLiveAndReady) {
  metrics_.AddGauge({"diptych_depth", "Waiting"}).Set(4);
  std::atomic<bool> ready{false};
  Start(StandardRoutes(metrics_, [&] { return +ready; }));
  EXPECT_EQ(client_->Get("/.well-known/live")->status, 204);
  EXPECT_EQ(client_->Get("/.well-known/ready")->status, 503);
  ready = true;
  EXPECT_EQ(client_->Get("/.well-known/ready")->status, 204);
  const std::string text = client_->Get("/metrics")->body;
  EXPECT_THAT(text, HasSubstr("diptych_depth 4"));
  EXPECT_THAT(text, HasSubstr("diptych_http_requests_total{code=\"503\","
                              "route=\"/.well-known/ready\"} 1"));
  EXPECT_THAT(text, HasSubstr("diptych_http_connections 1"));
}

TEST_F(HttpServerTest, FindsRoutesAndTheirParameters) {
  const auto parameter = [](HttpRequest request) {
    return Text(request.parameters.at(0));
  };
  Start({{"GET", "/a/{name}", parameter},
         {"PUT", "/a/{name}", parameter},
         {"GET", "/rest/{path...}", parameter},
         {"DELETE", "/a/{name}", parameter}});
  EXPECT_EQ(client_->Get("/a/x%20y")->body, "x y");
  EXPECT_EQ(client_->Put("/a/z", "{}", "application/json")->body, "z");
  EXPECT_EQ(client_->Delete("/a/z")->body, "z");
  EXPECT_EQ(client_->Get("/rest/b/c")->body, "b/c");
  EXPECT_EQ(client_->Get("/a/x/y")->status, 404);
  EXPECT_EQ(client_->Head("/a/x")->status, 200);
  const auto wrong_method = client_->Patch("/a/x");
  EXPECT_EQ(wrong_method->status, 405);
  EXPECT_EQ(wrong_method->get_header_value("Allow"), "GET, PUT, DELETE");
  EXPECT_EQ(wrong_method->body,
            R"({"error":"the method must be GET, PUT, DELETE; given: PATCH"})");
}

TEST_F(HttpServerTest, BodyOverTheLimitIsRefusedAndTheConnectionGoesOn) {
  Start(Echo(), {.body_bytes_max = 100});
  EXPECT_EQ(
      client_->Post("/echo", std::string(100, 'x'), "text/plain")->body.size(),
      100u);
  const auto refused =
      client_->Post("/echo", std::string(101, 'x'), "text/plain");
  EXPECT_EQ(refused->status, 413);
  EXPECT_THAT(refused->body, HasSubstr("allowed 100"));
  EXPECT_EQ(client_->Post("/echo", "again", "text/plain")->body, "again");
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_http_connections 1"));
}

TEST_F(HttpServerTest, BodyWithoutLengthIsBoundedToo) {
  Start(Echo(), {.body_bytes_max = 100});
  const RawConnection connection(server_->port());
  connection.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "65\r\n" +
      std::string(101, 'x') + "\r\n");
  const std::string answer = connection.ReadToEnd();
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 413"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));

  const RawConnection empty(server_->port());
  empty.Send("POST /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(empty.ReadUntil("\r\n\r\n"), HasSubstr("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AllBodiesTogetherAreBounded) {
  Start(Echo(), {.body_bytes_max = 100, .body_bytes_total_max = 50});
  const auto refused =
      client_->Post("/echo", std::string(51, 'x'), "text/plain");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->get_header_value("Retry-After"), "1");
  EXPECT_EQ(client_->Post("/echo", std::string(50, 'x'), "text/plain")->status,
            200);
}

TEST_F(HttpServerTest, BodyOfSeveralPartsIsRefused) {
  Start(Echo());
  EXPECT_EQ(
      client_
          ->Post("/echo", httplib::MultipartFormDataItems{{"a", "b", "", ""}})
          ->status,
      415);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start(Echo());
  const RawConnection connection(server_->port());
  connection.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<one>"
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<two>");
  const std::string answers = connection.ReadUntil("<two>");
  EXPECT_LT(answers.find("<one>"), answers.find("<two>"));
  EXPECT_THAT(answers, HasSubstr("<two>"));
  EXPECT_THAT(answers, HasSubstr("Keep-Alive: timeout=120"));
}

TEST_F(HttpServerTest, IdleConnectionsTakeNoThreads) {
  Start(Echo(), {.threads = HttpServer::kThreadsForQuick + 1});
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<one>";
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 50; ++i) {
    connections.push_back(std::make_unique<RawConnection>(server_->port()));
    connections.back()->Send(request);
    EXPECT_THAT(connections.back()->ReadUntil("<one>"), HasSubstr("<one>"));
  }
  // Each of them goes on.
  for (const auto& connection : connections) {
    connection->Send(request);
    EXPECT_THAT(connection->ReadUntil("<one>"), HasSubstr("<one>"));
  }
}

TEST_F(HttpServerTest, IdleConnectionIsClosedInTheEnd) {
  Start(Echo(), {.keep_alive = absl::Milliseconds(20)});
  const RawConnection connection(server_->port());
  EXPECT_EQ(connection.ReadToEnd(), "");
}

TEST_F(HttpServerTest, ConnectionsOverTheLimitAreClosed) {
  Start(Echo(), {.connections_max = 1});
  const RawConnection first(server_->port());
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<one>";
  first.Send(request);
  EXPECT_THAT(first.ReadUntil("<one>"), HasSubstr("<one>"));
  const RawConnection second(server_->port());
  EXPECT_EQ(second.ReadToEnd(), "");
}

TEST_F(HttpServerTest, RequestsThatBlockLeaveThreadsToOthers) {
  absl::Notification release;
  absl::Notification entered;
  Start({{"GET", "/slow",
          [&](const HttpRequest&) {
            entered.Notify();
            release.WaitForNotification();
            return Text("slow");
          },
          /*blocks=*/true},
         {"GET", "/quick", [](const HttpRequest&) { return Text("quick"); }}},
        {.threads = HttpServer::kThreadsForQuick + 1});
  std::string slow;
  std::thread waiting(
      [&] { slow = ConnectHttp(server_->port())->Get("/slow")->body; });
  entered.WaitForNotification();
  const auto refused = client_->Get("/slow");
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->get_header_value("Retry-After"), "1");
  EXPECT_EQ(client_->Get("/quick")->body, "quick");
  release.Notify();
  waiting.join();
  EXPECT_EQ(slow, "slow");
}

TEST_F(HttpServerTest, StopAnswersWhatRuns) {
  absl::Notification release;
  absl::Notification entered;
  Start({{"GET", "/slow", [&](const HttpRequest&) {
            entered.Notify();
            release.WaitForNotification();
            return Text("slow");
          }}});
  std::string slow;
  std::thread waiting(
      [&] { slow = ConnectHttp(server_->port())->Get("/slow")->body; });
  entered.WaitForNotification();
  std::thread stopping([&] { server_->Stop(); });
  release.Notify();
  stopping.join();
  waiting.join();
  EXPECT_EQ(slow, "slow");
  server_->Stop();
}

TEST_F(HttpServerTest, MalformedRequestGetsAnError) {
  Start(Echo());
  const RawConnection connection(server_->port());
  connection.Send("nonsense\r\n\r\n");
  EXPECT_THAT(connection.ReadUntil("}"),
              ::testing::AllOf(HasSubstr("HTTP/1.1 400"), HasSubstr("error")));
}

TEST_F(HttpServerTest, HandlerThatThrowsIsAnError) {
  Start({{"GET", "/x", [](const HttpRequest&) -> HttpResponse {
            throw std::runtime_error("secret");
          }}});
  const auto answer = client_->Get("/x");
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, R"({"error":"a handler failed"})");
}

TEST_F(HttpServerTest, PortInUseAndMalformedAddressAreErrors) {
  Start(Echo());
  EXPECT_THAT(HttpServer::Start(
                  {.address = "127.0.0.1:" + std::to_string(server_->port())},
                  Echo(), metrics_),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(HttpServer::Start({.address = "localhost"}, Echo(), metrics_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RoutePatternTest, LiteralsAreLiteral) {
  const RouteTable table({{"GET", "/.well-known/x+y", nullptr}});
  EXPECT_NE(table.Find("GET", "/.well-known/x+y"), nullptr);
  EXPECT_EQ(table.Find("GET", "/Awell-known/x+y"), nullptr);
  EXPECT_EQ(table.Find("GET", "/.well-known/xxy"), nullptr);
}

}  // namespace
}  // namespace diptych
