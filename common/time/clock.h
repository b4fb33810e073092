// Time as an interface, so that tests can turn it.
//
// Concurrency: every method may be called from any thread.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace diptych {

class Clock {
 public:
  virtual ~Clock() = default;

  virtual absl::Time Now() const = 0;

  // Waits until `condition` holds (true) or this clock reads `deadline`
  // (false). `mutex` must be held; it is released while waiting and held again
  // on return. absl::InfiniteFuture() waits for the condition alone.
  // `condition` may read only what `mutex` guards.
  virtual bool AwaitWithDeadline(absl::Mutex& mutex,
                                 const absl::Condition& condition,
                                 absl::Time deadline)
      ABSL_SHARED_LOCKS_REQUIRED(mutex) = 0;

  // The machine's clock. Lives for ever.
  static Clock& System();
};

}  // namespace diptych
