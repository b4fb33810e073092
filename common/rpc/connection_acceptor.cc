#include "common/rpc/connection_acceptor.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/observability/logging.h"
#include "common/status/status_macros.h"

namespace diptych {
namespace {

constexpr int kBacklog = 1024;
// How long to wait for a descriptor to become free.
constexpr int kExhaustedWaitMilliseconds = 100;

absl::Status CannotListen(absl::string_view address, int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen; is the address another server's? ",
                   strerror(error), ": ", address));
}

int BoundPort(int socket) {
  sockaddr_storage bound = {};
  socklen_t length = sizeof(bound);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    return 0;
  }
  return ntohs(bound.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Listen(
    absl::string_view address) {
  std::unique_ptr<ConnectionAcceptor> acceptor(new ConnectionAcceptor);
  acceptor->wake_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (acceptor->wake_descriptor_ < 0) return CannotListen(address, errno);
  absl::string_view path = address;
  if (absl::ConsumePrefix(&path, "unix:")) {
    absl::ConsumePrefix(&path, "//");
    DIPTYCH_RETURN_IF_ERROR(acceptor->BindUnix(std::string(path)));
  } else {
    DIPTYCH_RETURN_IF_ERROR(acceptor->BindTcp(address));
  }
  return acceptor;
}

absl::Status ConnectionAcceptor::BindTcp(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("an address to listen on is HOST:PORT, [V6]:PORT or "
                     "unix:/PATH; given: ",
                     address));
  }
  absl::string_view bare = address.substr(0, colon);
  if (absl::ConsumePrefix(&bare, "[")) absl::ConsumeSuffix(&bare, "]");
  const std::string host(bare);

  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), "0",
                                    &hints, &found);
      error != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot resolve the host to listen on: ", gai_strerror(error), ": ",
        address));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found,
                                                             freeaddrinfo);
  int first_error = EADDRNOTAVAIL;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int listener =
        socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) continue;
    // SO_REUSEADDR lets a restart bind at once. Without SO_REUSEPORT a second
    // server on the same port fails instead of sharing it silently.
    const int yes = 1;
    const int no = 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (at->ai_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6*>(at->ai_addr)->sin6_port = htons(port);
      // "[::]" serves IPv4 as well, as in gRPC; with other listeners beside it
      // ("localhost") each family has its own.
      const int only = found->ai_next == nullptr ? no : yes;
      setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    } else {
      reinterpret_cast<sockaddr_in*>(at->ai_addr)->sin_port = htons(port);
    }
    if (bind(listener, at->ai_addr, at->ai_addrlen) != 0 ||
        listen(listener, kBacklog) != 0) {
      const int error = errno;
      close(listener);
      if (error == EADDRINUSE) return CannotListen(address, error);
      first_error = error;
      continue;
    }
    listeners_.push_back(listener);
    // The other addresses of the host get the same port.
    port = BoundPort(listener);
  }
  if (listeners_.empty()) return CannotListen(address, first_error);
  port_ = port;
  address_ = absl::StrCat(address.substr(0, colon), ":", port);
  return absl::OkStatus();
}

absl::Status ConnectionAcceptor::BindUnix(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a Unix socket's path has 1 to ",
                     sizeof(name.sun_path) - 1, " bytes; given: ", path));
  }
  memcpy(name.sun_path, path.data(), path.size());
  const auto* socket_address = reinterpret_cast<const sockaddr*>(&name);
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return CannotListen(path, errno);
  listeners_.push_back(listener);
  if (bind(listener, socket_address, sizeof(name)) != 0 &&
      errno == EADDRINUSE) {
    // A server that died leaves its file; one that lives answers connect().
    struct stat file = {};
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool stale = stat(path.c_str(), &file) == 0 &&
                       S_ISSOCK(file.st_mode) &&
                       connect(probe, socket_address, sizeof(name)) != 0 &&
                       errno == ECONNREFUSED;
    close(probe);
    if (!stale) return CannotListen(path, EADDRINUSE);
    unlink(path.c_str());
    if (bind(listener, socket_address, sizeof(name)) != 0) {
      return CannotListen(path, errno);
    }
  }
  if (listen(listener, kBacklog) != 0) return CannotListen(path, errno);
  socket_path_ = path;
  address_ = absl::StrCat("unix:", path);
  return absl::OkStatus();
}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  for (const int listener : listeners_) close(listener);
  if (wake_descriptor_ >= 0) close(wake_descriptor_);
}

void ConnectionAcceptor::Start(int descriptors_max,
                               absl::AnyInvocable<void(int)> on_connection) {
  descriptors_max_ = descriptors_max;
  on_connection_ = std::move(on_connection);
  thread_ = std::thread([this] { Run(); });
}

void ConnectionAcceptor::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(wake_descriptor_, 1);
  thread_.join();
  for (const int listener : listeners_) close(listener);
  listeners_.clear();
  if (!socket_path_.empty()) unlink(socket_path_.c_str());
}

void ConnectionAcceptor::Run() {
  std::vector<pollfd> polled;
  for (const int listener : listeners_) polled.push_back({listener, POLLIN, 0});
  polled.push_back({wake_descriptor_, POLLIN, 0});
  while (true) {
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
      LogError("accepting connections ended", {{"error", strerror(errno)}});
      return;
    }
    if (polled.back().revents != 0) return;
    for (size_t i = 0; i + 1 < polled.size(); ++i) {
      if (polled[i].revents != 0) Accept(polled[i].fd);
    }
  }
}

void ConnectionAcceptor::Accept(int listener) {
  const int connection =
      accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
      // The connection stays in the backlog until something is closed.
      LogWarning("out of resources for connections",
                 {{"error", strerror(errno)}});
      pollfd wake = {wake_descriptor_, POLLIN, 0};
      poll(&wake, 1, kExhaustedWaitMilliseconds);
    }
    return;
  }
  if (connection >= descriptors_max_) {
    LogWarning("refused a connection: too many are open",
               {{"descriptors_max", descriptors_max_}});
    close(connection);
    return;
  }
  // Small answers must not wait for the peer's acknowledgement (Nagle).
  const int yes = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  on_connection_(connection);
}

absl::StatusOr<int> RaiseOpenFileLimit(int required) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(
        absl::StrCat("cannot read the open file limit: ", strerror(errno)));
  }
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  const int open_files = static_cast<int>(
      std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
  if (open_files < required) {
    return absl::FailedPreconditionError(
        absl::StrCat("the limit of open files is too low; allow at least ",
                     required, " (ulimit -n, LimitNOFILE=): ", open_files));
  }
  return open_files;
}

}  // namespace diptych
