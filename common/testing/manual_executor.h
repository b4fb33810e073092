// An executor whose tasks run when the test says so, on the test's thread.
//
// Concurrency: every method may be called from any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/executor.h"

namespace diptych {

class ManualExecutor final : public Executor {
 public:
  // `queue_max` waiting tasks; more are refused.
  explicit ManualExecutor(int queue_max = 1'000'000) : queue_max_(queue_max) {}

  [[nodiscard]] bool TrySchedule(Task task) override {
    absl::MutexLock lock(&mutex_);
    if (static_cast<int>(queue_.size()) >= queue_max_) return false;
    queue_.push_back(std::move(task));
    return true;
  }

  int pending() const {
    absl::MutexLock lock(&mutex_);
    return static_cast<int>(queue_.size());
  }

  // Runs the oldest task; false when there is none.
  bool RunOne() {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      if (queue_.empty()) return false;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(task)();
    return true;
  }

  // Runs until nothing waits, tasks scheduled by tasks included; returns how
  // many ran.
  size_t RunAll() {
    size_t count = 0;
    while (RunOne()) ++count;
    return count;
  }

 private:
  const int queue_max_;
  mutable absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych
