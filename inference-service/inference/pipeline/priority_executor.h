// Gives an executor two lanes: interactive tasks overtake bulk ones.
//
// Operation: each task goes into its lane, and the executor is asked to run
// "the next". That is an interactive one, except that after kInteractiveInARow
// of them while bulk waited one bulk task runs. So a picture that a person sent
// is decoded before a thousand of an import, and the import goes on.
// Concurrency: every method may be called from any thread. The executor must
// have run or dropped all its tasks before this object goes. Limits: the
// executor's queue.
#pragma once

#include <array>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/executor.h"
#include "inference/types/priority.h"

namespace diptych::inference {

class PriorityExecutor {
 public:
  static constexpr int kInteractiveInARow = 8;

  // `executor` outlives this object.
  explicit PriorityExecutor(Executor& executor) : executor_(executor) {}
  PriorityExecutor(const PriorityExecutor&) = delete;
  PriorityExecutor& operator=(const PriorityExecutor&) = delete;

  // False when the executor refuses; `task` is then destroyed without being
  // run.
  [[nodiscard]] bool TrySchedule(Priority priority, Executor::Task task);

 private:
  void RunNext();
  Executor::Task TakeNext();

  Executor& executor_;
  absl::Mutex mutex_;
  std::array<std::deque<Executor::Task>, kPriorities> lanes_
      ABSL_GUARDED_BY(mutex_);
  int interactive_in_a_row_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::inference
