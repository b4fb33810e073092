#include "common/http/idle_connections.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"

namespace diptych {

absl::StatusOr<std::unique_ptr<IdleConnections>> IdleConnections::Start(
    absl::Duration idle_max, Ready ready) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = wake;
  if (epoll < 0 || wake < 0 ||
      epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) != 0) {
    if (epoll >= 0) close(epoll);
    if (wake >= 0) close(wake);
    return absl::ResourceExhaustedError(
        "the system gives no descriptors for an HTTP port; raise the limit of "
        "open files");
  }
  return std::unique_ptr<IdleConnections>(
      new IdleConnections(epoll, wake, idle_max, std::move(ready)));
}

IdleConnections::IdleConnections(int epoll, int wake, absl::Duration idle_max,
                                 Ready ready)
    : epoll_(epoll),
      wake_(wake),
      idle_max_(idle_max),
      ready_(std::move(ready)),
      thread_([this] { Run(); }) {}

IdleConnections::~IdleConnections() {
  Stop();
  close(wake_);
  close(epoll_);
}

void IdleConnections::Wake() const {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread wakes anyway.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

void IdleConnections::Add(Connection connection) {
  const int socket = connection->socket();
  bool first = false;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = socket;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) return;
    first = idle_.empty();
    idle_.push_back({std::move(connection), absl::Now()});
    by_socket_[socket] = std::prev(idle_.end());
  }
  // The thread may wait without an end.
  if (first) Wake();
}

IdleConnections::Connection IdleConnections::Take(int socket) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_socket_.find(socket);
  if (found == by_socket_.end()) return nullptr;
  Connection connection = std::move(found->second->connection);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  idle_.erase(found->second);
  by_socket_.erase(found);
  return connection;
}

int IdleConnections::CloseExpired() {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  while (!idle_.empty() && now - idle_.front().since >= idle_max_) {
    by_socket_.erase(idle_.front().connection->socket());
    // Closing the socket takes it out of epoll.
    idle_.pop_front();
  }
  if (idle_.empty()) return -1;
  return static_cast<int>(
             absl::ToInt64Milliseconds(idle_.front().since + idle_max_ - now)) +
         1;
}

void IdleConnections::Run() {
  std::array<epoll_event, 64> events;
  while (true) {
    const int timeout = CloseExpired();
    const int count = epoll_wait(epoll_, events.data(),
                                 static_cast<int>(events.size()), timeout);
    if (count < 0 && errno != EINTR) return;
    // Before looking at stopped_: else this could take the wake of a Stop that
    // came in between, and wait for ever.
    uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = read(wake_, &ignored, sizeof(ignored));
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
    }
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<size_t>(i)].data.fd;
      if (socket == wake_) continue;
      if (Connection connection = Take(socket); connection != nullptr) {
        ready_(std::move(connection));
      }
    }
  }
}

void IdleConnections::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  by_socket_.clear();
  idle_.clear();
}

}  // namespace diptych
