// An executor that counts what waits, and what was refused.
//
// Operation: hands every task to another executor. diptych_queue_tasks{queue}
// is how many wait for a thread, diptych_queue_refused_total{queue} how many
// were refused because the queue was full, diptych_queue_wait_seconds{queue}
// how long tasks waited.
// Concurrency: as Executor.
// Limits: those of the other executor.
#pragma once

#include "absl/strings/string_view.h"
#include "common/concurrency/executor.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"

namespace diptych {

class MeasuredExecutor final : public Executor {
 public:
  // `queue` names it in metrics. All referenced objects outlive it; `executor`
  // must have run its tasks, or dropped them, before this object goes.
  MeasuredExecutor(absl::string_view queue, Executor& executor,
                   const Clock& clock, MetricsRegistry& metrics);

  [[nodiscard]] bool TrySchedule(Task task) override;

 private:
  Executor& executor_;
  const Clock& clock_;
  Gauge& waiting_;
  Histogram& wait_;
  Counter& refused_;
};

}  // namespace diptych
