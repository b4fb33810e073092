#include "storage/uri/https_loader.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/uri_loader.h"
#include "storage/uri/tls_test_server.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHost[] = "images.test";

std::string Answer(const std::string& status, const std::string& body,
                   const std::string& headers = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: ", body.size(),
                      "\r\nConnection: close\r\n", headers, "\r\n", body);
}

class HttpsLoaderTest : public ::testing::Test {
 protected:
  HttpsLoaderTest() {
    // What the environment says of proxies must not matter.
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  }

  void Serve(TlsTestServer::Answer answer,
             const std::string& address = "127.0.0.1") {
    server_.emplace(kHost, directory_.File("authority.pem"), std::move(answer),
                    address);
  }

  // Serves what SetAnswer said last.
  void ServeAnswer() {
    Serve([this](const std::string&) {
      absl::MutexLock lock(&mutex_);
      return answer_;
    });
  }
  void SetAnswer(const std::string& answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = answer;
  }

  // Allows the loopback, unlike a loader without these tests.
  HttpsLoaderOptions Options() {
    HttpsLoaderOptions options;
    options.hosts = {absl::StrCat(kHost, ":", server_->port())};
    options.bytes_max = 1000;
    options.duration_max = absl::Minutes(2);
    options.authorities_file = directory_.File("authority.pem");
    options.address_allowed = [this](const sockaddr& address) {
      absl::MutexLock lock(&mutex_);
      asked_.push_back(FormatAddress(address));
      return asked_.back() == allowed_address_;
    };
    options.resolve = [this](absl::string_view host) {
      absl::MutexLock lock(&mutex_);
      EXPECT_EQ(host, kHost);
      return addresses_[std::min(resolved_++, addresses_.size() - 1)];
    };
    return options;
  }

  std::unique_ptr<HttpsLoader> Create(const HttpsLoaderOptions& options) {
    auto loader = HttpsLoader::Create(options, Clock::System());
    EXPECT_THAT(loader, IsOk());
    return *std::move(loader);
  }

  std::string Uri(const std::string& path = "/a.jpg") {
    return absl::StrCat("https://", kHost, ":", server_->port(), path);
  }

  static void ExpectFailed(const absl::StatusOr<std::string>& loaded,
                           absl::StatusCode code, absl::string_view reason,
                           bool retry = false) {
    EXPECT_THAT(loaded, StatusIs(code));
    EXPECT_EQ(ReasonOf(loaded.status()), reason);
    EXPECT_EQ(RetryAfterOf(loaded.status()).has_value(), retry);
  }

  TempDirectory directory_;
  absl::Mutex mutex_;
  // What the host's name leads to, look-up by look-up; the last one stays.
  std::vector<std::string> addresses_ ABSL_GUARDED_BY(mutex_) = {"127.0.0.1"};
  size_t resolved_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string allowed_address_ ABSL_GUARDED_BY(mutex_) = "127.0.0.1";
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
  std::string answer_ ABSL_GUARDED_BY(mutex_);
  std::optional<TlsTestServer> server_;
};

TEST_F(HttpsLoaderTest, LoadsFromAListedHost) {
  Serve([](const std::string&) { return Answer("200 OK", "a picture"); });
  const auto loader = Create(Options());
  EXPECT_THAT(loader->Load({}, Uri("/a%20b.jpg?size=1#part")),
              IsOkAndHolds("a picture"));
  EXPECT_THAT(
      loader->Load({},
                   absl::StrCat("HTTPS://Images.TEST:", server_->port(), "/b")),
      IsOkAndHolds("a picture"));
  const auto requests = server_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0],
              AllOf(HasSubstr("GET /a%20b.jpg?size=1 HTTP/1.1"),
                    Not(HasSubstr("Authorization")), Not(HasSubstr("Cookie")),
                    Not(HasSubstr("Accept-Encoding"))));
}

TEST_F(HttpsLoaderTest, OnlyListedHostsAndPortsAreAsked) {
  Serve([](const std::string&) { return Answer("200 OK", "x"); });
  const auto loader = Create(Options());
  for (const std::string& uri :
       {std::string("https://images.test/a.jpg"),
        absl::StrCat("https://other.test:", server_->port(), "/"),
        absl::StrCat("https://images.test.:", server_->port(), "/"),
        absl::StrCat("https://127.0.0.1:", server_->port(), "/"),
        absl::StrCat("https://2130706433:", server_->port(), "/"),
        absl::StrCat("https://[::1]:", server_->port(), "/"),
        absl::StrCat("https://[::ffff:127.0.0.1]:", server_->port(), "/"),
        std::string("https://169.254.169.254/latest/meta-data"),
        std::string("https://localhost/")}) {
    const auto loaded = loader->Load({}, uri);
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kPermissionDenied)) << uri;
    EXPECT_EQ(ReasonOf(loaded.status()), kUriNotAllowed) << uri;
  }
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(HttpsLoaderTest, WhatIsNoHttpsUriIsNamed) {
  Serve([](const std::string&) { return Answer("200 OK", "x"); });
  const auto loader = Create(Options());
  const std::string port = absl::StrCat(server_->port());
  for (const std::string& uri : std::vector<std::string>{
           "http://images.test:" + port + "/", "images.test:" + port,
           "https://user@images.test:" + port + "/",
           "https://user:word@images.test:" + port + "/",
           "https://images.test:" + port + "/a b", "https://",
           "https://images.test:99999/", "file:///etc/passwd",
           "https://images.test:" + port + std::string("/a\0b", 4),
           "https://images.test:" + port + "/\r\nHost: other"}) {
    EXPECT_THAT(loader->Load({}, uri),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << uri;
  }
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(HttpsLoaderTest, TheLoopbackIsRefusedUnlessATestAllowsIt) {
  Serve([](const std::string&) { return Answer("200 OK", "x"); });
  HttpsLoaderOptions options = Options();
  options.address_allowed = HttpsLoaderOptions().address_allowed;
  const auto loader = Create(options);
  const auto loaded = loader->Load({}, Uri());
  ExpectFailed(loaded, absl::StatusCode::kPermissionDenied, kUriNotAllowed);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("127.0.0.1"));
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(HttpsLoaderTest, ANameThatAnswersOtherwiseTheSecondTimeGainsNothing) {
  Serve([](const std::string&) { return Answer("200 OK", "x"); });
  // The server listens on the one address only; the other is as reachable.
  TlsTestServer hidden(
      kHost, directory_.File("hidden.pem"),
      [](const std::string&) { return std::string(); }, "127.0.0.2");
  {
    absl::MutexLock lock(&mutex_);
    addresses_ = {"127.0.0.1", "127.0.0.2", "127.0.0.1"};
  }
  HttpsLoaderOptions options = Options();
  options.hosts.push_back(absl::StrCat(kHost, ":", hidden.port()));
  const auto loader = Create(options);
  const std::string hidden_uri =
      absl::StrCat("https://", kHost, ":", hidden.port(), "/");
  EXPECT_THAT(loader->Load({}, Uri()), IsOk());
  ExpectFailed(loader->Load({}, hidden_uri),
               absl::StatusCode::kPermissionDenied, kUriNotAllowed);
  EXPECT_THAT(loader->Load({}, Uri()), IsOk());
  EXPECT_EQ(hidden.connections(), 0);
  absl::MutexLock lock(&mutex_);
  // Each connection was asked about with the address that it goes to.
  EXPECT_THAT(asked_, ElementsAre("127.0.0.1", "127.0.0.2", "127.0.0.1"));
}

TEST_F(HttpsLoaderTest, RedirectsAreNotFollowed) {
  Serve([this](const std::string&) {
    return Answer("302 Found", "elsewhere",
                  absl::StrCat("Location: ", Uri("/other"), "\r\n"));
  });
  const auto loaded = Create(Options())->Load({}, Uri());
  ExpectFailed(loaded, absl::StatusCode::kFailedPrecondition, kUriRefused);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("redirect"));
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpsLoaderTest, AnswersBecomeErrors) {
  ServeAnswer();
  const auto loader = Create(Options());
  const auto load = [&](const std::string& status,
                        const std::string& headers = "") {
    SetAnswer(Answer(status, "some page", headers));
    return loader->Load({}, Uri());
  };
  ExpectFailed(load("404 Not Found"), absl::StatusCode::kNotFound,
               kUriNotFound);
  ExpectFailed(load("410 Gone"), absl::StatusCode::kNotFound, kUriNotFound);
  ExpectFailed(load("403 Forbidden"), absl::StatusCode::kFailedPrecondition,
               kUriRefused);
  ExpectFailed(load("204 No Content"), absl::StatusCode::kFailedPrecondition,
               kUriRefused);
  ExpectFailed(load("500 Internal Server Error"),
               absl::StatusCode::kUnavailable, kUriUnavailable, /*retry=*/true);
  const auto later = load("429 Too Many Requests", "Retry-After: 7\r\n");
  ExpectFailed(later, absl::StatusCode::kUnavailable, kUriUnavailable,
               /*retry=*/true);
  EXPECT_EQ(RetryAfterOf(later.status()), absl::Seconds(7));
}

TEST_F(HttpsLoaderTest, TooManyBytesAreRefusedWithAndWithoutALength) {
  const std::string fits(1000, 'x'), too_large(1001, 'x');
  // Until the connection ends.
  const std::string no_length = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
  ServeAnswer();
  const auto loader = Create(Options());
  for (const std::string& head :
       {no_length, std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"
                               "Connection: close\r\n\r\n")}) {
    SetAnswer(head + fits);
    EXPECT_THAT(loader->Load({}, Uri()), IsOkAndHolds(fits));
  }
  for (const std::string& answer :
       {no_length + too_large, Answer("200 OK", too_large)}) {
    SetAnswer(answer);
    ExpectFailed(loader->Load({}, Uri()), absl::StatusCode::kInvalidArgument,
                 kUriTooLarge);
  }
}

TEST_F(HttpsLoaderTest, ABodyThatBreaksOffIsNotTakenForWhole) {
  Serve([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: "
           "close\r\n\r\nthe beginning";
  });
  ExpectFailed(Create(Options())->Load({}, Uri()),
               absl::StatusCode::kUnavailable, kUriUnavailable, true);
}

TEST_F(HttpsLoaderTest, AServerThatDoesNotAnswerTimesOut) {
  // Shared: the server's thread may still be in it when the test has ended.
  const auto release = std::make_shared<absl::Notification>();
  Serve([release](const std::string&) {
    release->WaitForNotification();
    return std::string();
  });
  HttpsLoaderOptions options = Options();
  options.duration_max = absl::Milliseconds(100);
  const auto loader = Create(options);
  ExpectFailed(loader->Load({}, Uri()), absl::StatusCode::kUnavailable,
               kUriUnavailable, /*retry=*/true);
  release->Notify();
}

TEST_F(HttpsLoaderTest, TheCallersDeadlineEndsALoad) {
  // Shared: the server's thread may still be in it when the test has ended.
  const auto release = std::make_shared<absl::Notification>();
  Serve([release](const std::string&) {
    release->WaitForNotification();
    return std::string();
  });
  const auto loader = Create(Options());
  CallContext context;
  context.deadline = Clock::System().Now() + absl::Milliseconds(200);
  EXPECT_THAT(loader->Load(context, Uri()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  release->Notify();
}

TEST_F(HttpsLoaderTest, ACancelledCallEnds) {
  const auto entered = std::make_shared<absl::Notification>();
  const auto release = std::make_shared<absl::Notification>();
  Serve([entered, release](const std::string&) {
    entered->Notify();
    release->WaitForNotification();
    return std::string();
  });
  const auto loader = Create(Options());
  const auto cancellation = std::make_shared<Cancellation>();
  CallContext context;
  context.cancellation = cancellation;
  std::thread canceller([&] {
    entered->WaitForNotification();
    cancellation->Cancel();
  });
  EXPECT_THAT(loader->Load(context, Uri()),
              StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
  release->Notify();
}

TEST_F(HttpsLoaderTest, ACertificateOfAnUnknownAuthorityIsNotTrusted) {
  Serve([](const std::string&) { return Answer("200 OK", "x"); });
  HttpsLoaderOptions options = Options();
  options.authorities_file.clear();
  ExpectFailed(Create(options)->Load({}, Uri()),
               absl::StatusCode::kFailedPrecondition, kUriRefused);
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(HttpsLoaderTest, ACertificateOfAnotherHostIsNotTrusted) {
  server_.emplace("other.test", directory_.File("authority.pem"),
                  [](const std::string&) { return Answer("200 OK", "x"); });
  ExpectFailed(Create(Options())->Load({}, Uri()),
               absl::StatusCode::kFailedPrecondition, kUriRefused);
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(HttpsLoaderTest, NobodyListeningIsUnavailable) {
  // A bound socket that does not listen keeps the port from everybody else.
  const int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(bound, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(bound, reinterpret_cast<sockaddr*>(&address), &size),
            0);
  Serve([](const std::string&) { return std::string(); });
  HttpsLoaderOptions options = Options();
  const std::string host = absl::StrCat(kHost, ":", ntohs(address.sin_port));
  options.hosts.push_back(host);
  ExpectFailed(Create(options)->Load({}, absl::StrCat("https://", host, "/")),
               absl::StatusCode::kUnavailable, kUriUnavailable,
               /*retry=*/true);
  close(bound);
}

TEST(HttpsLoaderHostsTest, HostsAreNamesWithOrWithoutPort) {
  for (const char* host :
       {"", "https://x.test", "x.test/path", "user@x.test", "x.test:0x1",
        "x.test:99999", "x test", "x.test?y", "*.x y"}) {
    HttpsLoaderOptions options;
    options.hosts = {host};
    EXPECT_THAT(HttpsLoader::Create(options, Clock::System()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(host)))
        << host;
  }
  HttpsLoaderOptions options;
  options.hosts = {"x.test", "X.test:8443", "[2606:4700::1]:443"};
  EXPECT_THAT(HttpsLoader::Create(options, Clock::System()), IsOk());
}

}  // namespace
}  // namespace diptych::storage
