// A clock on which waiting takes no time: whoever waits for a deadline turns it
// there.
//
// Operation: AwaitWithDeadline returns at once, and Now is the deadline when
// the condition did not hold.
// Concurrency: every method may be called from any thread.
// Limits: a wait without deadline waits for the condition alone.
#pragma once

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace diptych::cli {

class SkippingClock final : public Clock {
 public:
  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }

  bool AwaitWithDeadline(absl::Mutex& mutex, const absl::Condition& condition,
                         absl::Time deadline) override
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (deadline == absl::InfiniteFuture()) {
      mutex.Await(condition);
      return true;
    }
    // Others get a chance to make the condition true.
    mutex.Unlock();
    mutex.Lock();
    if (condition.Eval()) return true;
    absl::MutexLock lock(&mutex_);
    now_ = std::max(now_, deadline);
    return false;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) =
      absl::FromUnixSeconds(1'000'000'000);
};

}  // namespace diptych::cli
