// Threads that compute the parts of one computation.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "inference/kernels/parallel.h"

namespace diptych::inference {

// Operation: the calling thread takes tasks until none is left, and the others
// help as soon as they run. For waits only for tasks that have begun: where
// another program has a helper's core, the caller does its share, which a pool
// with a barrier of all its threads (OpenMP) would wait for. Both sides look
// for work, or for its end, for some 50 microseconds before they sleep, because
// a tower's next product follows at once. Concurrency: as Parallel; several
// computations share the helpers, so that there are never more threads than
// callers and helpers. Limits: a task should take no lock that a caller of For
// holds.
class ThreadTeam final : public Parallel {
 public:
  // 0.1 ms of 8-bit products on one core, 0.3 ms of float32. Waking a helper
  // costs some 0.01 ms.
  static constexpr int64_t kLeastOperations = 50'000'000;

  // The caller and `threads` - 1 helpers, which start here.
  explicit ThreadTeam(int threads);
  // No For is under way.
  ~ThreadTeam() override;
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const override { return static_cast<int>(helpers_.size()) + 1; }
  bool IsWorth(int64_t operations) const override {
    return threads() > 1 && operations >= kLeastOperations;
  }
  void For(int64_t count, absl::FunctionRef<void(int64_t)> task) const override;

 private:
  struct Job;

  void Help() const;
  // A job with tasks that nobody has taken, or null; counts the caller as one
  // of its helpers.
  Job* Join() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  mutable absl::CondVar wake_;
  mutable absl::CondVar done_;
  mutable std::vector<Job*> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Jobs with tasks that nobody has taken, for helpers that look without the
  // lock.
  mutable std::atomic<int> open_ = 0;
  std::vector<std::thread> helpers_;
};

}  // namespace diptych::inference
