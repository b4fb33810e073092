#include "common/concurrency/periodic_task.h"

#include <utility>

namespace diptych {

PeriodicTask::PeriodicTask(Clock& clock, absl::Duration interval,
                           std::function<void()> task)
    : clock_(clock), interval_(interval), task_(std::move(task)) {
  if (interval_ != absl::InfiniteDuration()) {
    thread_ = std::thread([this] { Run(); });
  }
}

PeriodicTask::~PeriodicTask() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void PeriodicTask::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (clock_.AwaitWithDeadline(mutex_, absl::Condition(&stopping_),
                                   clock_.Now() + interval_)) {
        return;
      }
    }
    task_();
  }
}

}  // namespace diptych
