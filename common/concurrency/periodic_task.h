// A task that is run again and again in the background.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace diptych {

// Operation: calls `task` again and again, `interval` after it has returned,
// for the first time `interval` after the construction, in a thread of its own:
// never twice at once.
// Concurrency: the constructor and the destructor belong to one thread.
// Limits: one thread, none where the interval is infinite.
class PeriodicTask {
 public:
  // `clock` must outlive this.
  PeriodicTask(Clock& clock, absl::Duration interval,
               std::function<void()> task);
  // Waits for a call under way.
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

 private:
  void Run();

  Clock& clock_;
  const absl::Duration interval_;
  const std::function<void()> task_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace diptych
