// Sees to it, in the background, that index snapshots are written.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace diptych::storage {

// Operation: calls `check` again and again, `interval` after it has returned,
// in a thread of its own: one snapshot is written at a time.
// Concurrency: the constructor and the destructor belong to one thread.
// Limits: one thread, none where the interval is infinite.
class IndexSnapshotKeeper {
 public:
  // `clock` must outlive the keeper.
  IndexSnapshotKeeper(Clock* clock, absl::Duration interval,
                      std::function<void()> check);
  // Waits for a call under way.
  ~IndexSnapshotKeeper();

 private:
  void Run();

  Clock& clock_;
  const absl::Duration interval_;
  const std::function<void()> check_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace diptych::storage
