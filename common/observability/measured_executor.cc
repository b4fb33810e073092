#include "common/observability/measured_executor.h"

#include <string>
#include <utility>

#include "absl/time/time.h"

namespace diptych {
namespace {

constexpr MetricDescription kWaiting = {"diptych_queue_tasks",
                                        "Calls that wait for a thread"};
constexpr MetricDescription kWait = {"diptych_queue_wait_seconds",
                                     "From a call's arrival to its thread"};
constexpr MetricDescription kRefused = {
    "diptych_queue_refused_total", "Calls refused because the queue was full"};

MetricLabels Labels(absl::string_view queue) {
  return {{"queue", std::string(queue)}};
}

}  // namespace

MeasuredExecutor::MeasuredExecutor(absl::string_view queue, Executor& executor,
                                   const Clock& clock, MetricsRegistry& metrics)
    : executor_(executor),
      clock_(clock),
      waiting_(metrics.AddGauge(kWaiting, Labels(queue))),
      wait_(metrics.AddHistogram(kWait, DurationBuckets(), Labels(queue))),
      refused_(metrics.AddCounter(kRefused, Labels(queue))) {}

bool MeasuredExecutor::TrySchedule(Task task) {
  // Counted before the task can begin.
  waiting_.Increment();
  const bool taken = executor_.TrySchedule(
      [this, arrival = clock_.Now(), task = std::move(task)]() mutable {
        waiting_.Decrement();
        wait_.Observe(absl::ToDoubleSeconds(clock_.Now() - arrival));
        std::move(task)();
      });
  if (!taken) {
    waiting_.Decrement();
    refused_.Increment();
  }
  return taken;
}

}  // namespace diptych
