#include "inference/pipeline/priority_executor.h"

#include <utility>

namespace diptych::inference {

bool PriorityExecutor::TrySchedule(Priority priority, Executor::Task task) {
  // Held over both steps, so that a refused task is still the last of its lane:
  // the executor's queue lock is taken inside, and no task runs in TrySchedule.
  absl::MutexLock lock(&mutex_);
  auto& lane = lanes_[static_cast<int>(priority)];
  lane.push_back(std::move(task));
  if (executor_.TrySchedule([this] { RunNext(); })) return true;
  lane.pop_back();
  return false;
}

void PriorityExecutor::RunNext() {
  Executor::Task task = TakeNext();
  std::move(task)();
}

Executor::Task PriorityExecutor::TakeNext() {
  absl::MutexLock lock(&mutex_);
  auto& interactive = lanes_[static_cast<int>(Priority::kInteractive)];
  auto& bulk = lanes_[static_cast<int>(Priority::kBulk)];
  const bool take_bulk =
      !bulk.empty() &&
      (interactive.empty() || interactive_in_a_row_ >= kInteractiveInARow);
  interactive_in_a_row_ =
      take_bulk || bulk.empty() ? 0 : interactive_in_a_row_ + 1;
  // Never empty: there is one task in the lanes for each in the executor.
  auto& lane = take_bulk ? bulk : interactive;
  Executor::Task task = std::move(lane.front());
  lane.pop_front();
  return task;
}

}  // namespace diptych::inference
