// A connection of an HTTP server: cpp-httplib's Stream over a socket, with its
// own buffer, so that it can be put aside between two requests.
//
// Operation: owns the socket and closes it. Concurrency: one thread at a time.
// Limits: every read and write waits at most `silence_max` for the other side.
#pragma once

#include <array>
#include <string>

#include "absl/time/time.h"
#include "httplib.h"

namespace diptych {

class ConnectionStream final : public httplib::Stream {
 public:
  ConnectionStream(int socket, absl::Duration silence_max)
      : socket_(socket), silence_max_(silence_max) {}
  ~ConnectionStream() override;
  ConnectionStream(const ConnectionStream&) = delete;
  ConnectionStream& operator=(const ConnectionStream&) = delete;

  // Bytes of the next request have come along with the last one.
  bool has_buffered() const { return position_ < size_; }

  // The client has closed the connection or its side of it. Does not block.
  bool has_hung_up() const;

  // Tells the client that no more is coming, and reads what it still sends for
  // a moment: a socket closed on unread bytes would take the answer back.
  void Linger();

  bool is_readable() const override;
  bool is_writable() const override;
  // Bytes, 0 at the end, -1 for silence or a broken connection.
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  // Whether `events` of poll(2) come in time.
  bool Await(short events, absl::Duration timeout) const;

  const int socket_;
  const absl::Duration silence_max_;
  std::array<char, 16384> buffer_;
  size_t position_ = 0;
  size_t size_ = 0;
};

}  // namespace diptych
