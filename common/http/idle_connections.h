// Connections that wait for their client's next request, without a thread each.
//
// Operation: Add puts a connection aside. When its client sends something (or
// hangs up) it is handed to `ready`; after `idle_max` it is closed. One thread
// waits for all of them with epoll(7).
// Concurrency: Add may be called from any thread. `ready` is called on the
// waiting thread and must not block. Limits: the caller's count of connections.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <thread>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/http/connection_stream.h"

namespace diptych {

class IdleConnections {
 public:
  using Connection = std::shared_ptr<ConnectionStream>;
  using Ready = std::function<void(Connection)>;

  // RESOURCE_EXHAUSTED when the system gives no descriptors.
  static absl::StatusOr<std::unique_ptr<IdleConnections>> Start(
      absl::Duration idle_max, Ready ready);

  ~IdleConnections();
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

  // Closed at once after Stop, or when the system cannot watch it.
  void Add(Connection connection);

  // Closes all of them. May be called twice.
  void Stop();

 private:
  struct Idle {
    Connection connection;
    absl::Time since;
  };

  IdleConnections(int epoll, int wake, absl::Duration idle_max, Ready ready);
  void Run();
  // Milliseconds until the first connection has been idle for long enough, -1
  // when there is none.
  int CloseExpired();
  // Null when another event of the same round took it.
  Connection Take(int socket);
  void Wake() const;

  const int epoll_;
  const int wake_;
  const absl::Duration idle_max_;
  const Ready ready_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // The one that has been idle for longest first.
  std::list<Idle> idle_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<int, std::list<Idle>::iterator> by_socket_
      ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace diptych
