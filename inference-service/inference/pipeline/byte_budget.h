// Bounds the bytes of inputs that wait for one model.
//
// Operation: a request takes the bytes of its inputs before it is prepared and
// gives them back when it is answered. What is larger than the whole budget is
// let in when nothing else is, so that no request waits forever.
// Concurrency: every method may be called from any thread. Callbacks run on the
// thread that took or gave, outside the lock, and must not block.
// Limits: as many callbacks wait as callers exist.
#pragma once

#include <cstddef>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/observability/metrics.h"

namespace diptych::inference {

class ByteBudget {
 public:
  // `gauge`, which shows the bytes taken, outlives the budget.
  ByteBudget(size_t bytes_max, Gauge& gauge)
      : bytes_max_(bytes_max), gauge_(gauge) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False when there is no room, or others wait for it.
  [[nodiscard]] bool TryTake(size_t bytes);

  // Calls `taken` when the bytes are taken, now or later, first come first
  // served.
  void TakeWhenRoom(size_t bytes, absl::AnyInvocable<void() &&> taken);

  void Give(size_t bytes);

 private:
  struct Waiter {
    size_t bytes;
    absl::AnyInvocable<void() &&> taken;
  };

  bool Fits(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Add(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ServeWaiters();

  const size_t bytes_max_;
  Gauge& gauge_;
  absl::Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::inference
