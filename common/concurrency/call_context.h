// What a piece of work knows about the call that asked for it: until when the
// answer is wanted, and whether it is wanted at all. Travels below the RPC
// layer, which therefore need not see gRPC.
//
// Concurrency: a CallContext is a value; Cancellation may be used from any
// thread.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace diptych {

// A flag that is raised once and never lowered.
class Cancellation {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct CallContext {
  absl::Time deadline = absl::InfiniteFuture();
  // Null: cannot be cancelled.
  std::shared_ptr<const Cancellation> cancellation;

  bool cancelled() const {
    return cancellation != nullptr && cancellation->cancelled();
  }

  // OK while the answer is wanted, else CANCELLED or DEADLINE_EXCEEDED. Asked
  // whenever work leaves a queue, so that dead work is dropped.
  absl::Status Check(absl::Time now) const {
    if (cancelled()) return absl::CancelledError("the caller cancelled");
    if (now >= deadline) {
      return absl::DeadlineExceededError(
          "the deadline passed before the work was started; send fewer inputs "
          "at a time or allow more time");
    }
    return absl::OkStatus();
  }
};

}  // namespace diptych
