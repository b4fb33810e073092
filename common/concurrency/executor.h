// Runs tasks on threads that belong to someone else.
//
// Operation: TrySchedule hands a task over and returns at once. A task runs at
// most once, and not at all when it was refused.
// Concurrency: TrySchedule may be called from any thread, tasks included. Tasks
// may run in parallel and in any order unless the implementation says more.
// Limits: every implementation bounds how many tasks wait.
#pragma once

#include "absl/functional/any_invocable.h"

namespace diptych {

class Executor {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  virtual ~Executor() = default;

  // True: `task` will run. False: the queue is full or the executor is shutting
  // down, and `task` has been destroyed; the caller answers RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual bool TrySchedule(Task task) = 0;
};

}  // namespace diptych
