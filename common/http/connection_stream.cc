#include "common/http/connection_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/time/clock.h"

namespace diptych {
namespace {

constexpr size_t kLingerBytesMax = size_t{16} << 20;
constexpr absl::Duration kLingerMax = absl::Seconds(2);

}  // namespace

ConnectionStream::~ConnectionStream() { close(socket_); }

bool ConnectionStream::Await(short events, absl::Duration timeout) const {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const absl::Duration left =
        std::max(deadline - absl::Now(), absl::ZeroDuration());
    pollfd entry = {socket_, events, 0};
    const int count = poll(&entry, 1,
                           static_cast<int>(absl::ToInt64Milliseconds(
                               left + absl::Milliseconds(1))));
    if (count < 0 && errno == EINTR) continue;
    return count > 0;
  }
}

bool ConnectionStream::has_hung_up() const {
  pollfd entry = {socket_, POLLRDHUP, 0};
  return poll(&entry, 1, 0) > 0 &&
         (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool ConnectionStream::is_readable() const {
  return has_buffered() || Await(POLLIN, silence_max_);
}

bool ConnectionStream::is_writable() const {
  return Await(POLLOUT, silence_max_);
}

ssize_t ConnectionStream::read(char* data, size_t size) {
  if (!has_buffered()) {
    if (!Await(POLLIN, silence_max_)) return -1;
    // Much wanted at once goes past the buffer.
    const bool direct = size >= buffer_.size();
    ssize_t count = 0;
    do {
      count = recv(socket_, direct ? data : buffer_.data(),
                   direct ? size : buffer_.size(), 0);
    } while (count < 0 && errno == EINTR);
    if (direct || count <= 0) return count;
    position_ = 0;
    size_ = static_cast<size_t>(count);
  }
  const size_t count = std::min(size, size_ - position_);
  std::memcpy(data, buffer_.data() + position_, count);
  position_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t ConnectionStream::write(const char* data, size_t size) {
  if (!Await(POLLOUT, silence_max_)) return -1;
  ssize_t count = 0;
  do {
    count = send(socket_, data, size, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count;
}

void ConnectionStream::Linger() {
  shutdown(socket_, SHUT_WR);
  const absl::Time deadline = absl::Now() + kLingerMax;
  for (size_t bytes = 0; bytes < kLingerBytesMax;) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() || !Await(POLLIN, left)) return;
    const ssize_t count = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (count <= 0) return;
    bytes += static_cast<size_t>(count);
  }
}

void ConnectionStream::get_remote_ip_and_port(std::string& ip,
                                              int& port) const {
  ip.clear();
  port = 0;
}

void ConnectionStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace diptych
