// A clock that stands still until a test turns it. Waiters wake when it is
// turned past their deadline.
//
// Concurrency: every method may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace diptych {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'000'000'000))
      : now_nanoseconds_(absl::ToUnixNanos(start)) {}

  absl::Time Now() const override {
    return absl::FromUnixNanos(now_nanoseconds_.load());
  }

  // Turns the clock and wakes those whose deadline has come.
  void Advance(absl::Duration by) {
    std::set<absl::Mutex*> waiting;
    {
      absl::MutexLock lock(&mutex_);
      now_nanoseconds_ += absl::ToInt64Nanoseconds(by);
      waiting.insert(waiters_.begin(), waiters_.end());
    }
    // A condition is evaluated when its mutex is released: taking and releasing
    // it makes waiters look at the clock.
    for (absl::Mutex* mutex : waiting) {
      mutex->Lock();
      mutex->Unlock();
    }
  }

  // Blocks until `count` threads wait on this clock, so that a test can turn it
  // at the right moment without sleeping.
  void AwaitWaiters(int count) {
    absl::MutexLock lock(&mutex_);
    auto enough = [this, count]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return static_cast<int>(waiters_.size()) >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }

  bool AwaitWithDeadline(absl::Mutex& mutex, const absl::Condition& condition,
                         absl::Time deadline) override
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    std::multiset<absl::Mutex*>::iterator self;
    {
      absl::MutexLock lock(&mutex_);
      self = waiters_.insert(&mutex);
    }
    auto done = [&] { return condition.Eval() || Now() >= deadline; };
    mutex.Await(absl::Condition(&done));
    absl::MutexLock lock(&mutex_);
    waiters_.erase(self);
    return condition.Eval();
  }

 private:
  mutable absl::Mutex mutex_;
  // Atomic, because waiting conditions read it while they hold other locks.
  std::atomic<int64_t> now_nanoseconds_;
  std::multiset<absl::Mutex*> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych
