// Turns Ctrl-C into a clean stop.
//
// Operation: while it lives, SIGINT and SIGTERM are blocked and taken by a
// thread of its own: the first calls a function, the second ends the process at
// once with status 130.
// Concurrency: make it before any other thread is started, since threads
// inherit the blocking. The function is called on the thread of the watcher or
// of SetHandler, and must not call the watcher. Limits: one at a time in a
// process.
#pragma once

#include <signal.h>

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace diptych::cli {

class InterruptWatcher {
 public:
  InterruptWatcher();
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  // Calls `function` at the first signal, or at once when that came already.
  // nullptr: nothing is called any more; returns when no call is running.
  void SetHandler(std::function<void()> function) ABSL_LOCKS_EXCLUDED(mutex_);

  bool interrupted() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_);

  sigset_t signals_;
  sigset_t previous_mask_;
  mutable absl::Mutex mutex_;
  std::function<void()> handler_ ABSL_GUARDED_BY(mutex_);
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace diptych::cli
