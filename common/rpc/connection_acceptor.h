// Listens for connections and hands each accepted one over.
//
// Operation: Listen binds; Start accepts on a thread of its own; Stop closes
// the listening sockets. gRPC 1.51's own loop stops accepting for ever once
// accept() has failed for want of file descriptors (CVE-2023-4785); this one
// waits and goes on. It also leaves descriptors free for the rest of the
// process: the kernel gives out the lowest free number, so a connection whose
// number is `descriptors_max` or above is closed at once. Concurrency: one
// thread calls Listen, Start and Stop; `on_connection` runs on the acceptor's
// thread. Limits: `descriptors_max`; the kernel's backlog holds what is not
// accepted yet.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych {

class ConnectionAcceptor {
 public:
  // Binds "host:port" (every address that the host resolves to; port 0 takes a
  // free one), "[v6]:port", or "unix:/path", whose stale socket file is
  // replaced. INVALID_ARGUMENT when `address` has no such form, UNAVAILABLE
  // when it cannot be bound.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Listen(
      absl::string_view address);

  ~ConnectionAcceptor();
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  // The bound port; 0 for a Unix socket.
  int port() const { return port_; }
  // What clients dial: the given address with the bound port.
  const std::string& address() const { return address_; }

  // `on_connection` owns the (non-blocking, close-on-exec) descriptor it gets.
  void Start(int descriptors_max,
             absl::AnyInvocable<void(int descriptor)> on_connection);

  // No connection is handed over after it returns. May be called twice.
  void Stop();

 private:
  ConnectionAcceptor() = default;
  absl::Status BindTcp(absl::string_view address);
  absl::Status BindUnix(const std::string& path);
  void Accept(int listener);
  void Run();

  std::string address_;
  std::string socket_path_;
  int port_ = 0;
  std::vector<int> listeners_;
  // Readable when the loop shall end.
  int wake_descriptor_ = -1;
  int descriptors_max_ = 0;
  absl::AnyInvocable<void(int)> on_connection_;
  std::thread thread_;
};

// Raises the process's limit of open files to the highest it may have and
// returns it. FAILED_PRECONDITION when that is below `required`.
absl::StatusOr<int> RaiseOpenFileLimit(int required);

}  // namespace diptych
