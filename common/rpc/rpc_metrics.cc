#include "common/rpc/rpc_metrics.h"

#include <string>

namespace diptych {
namespace {

constexpr MetricDescription kInFlight = {"diptych_rpc_in_flight",
                                         "Calls that have not been answered"};
constexpr MetricDescription kDuration = {
    "diptych_rpc_duration_seconds",
    "From the arrival of the request to its answer"};
constexpr MetricDescription kFinished = {"diptych_rpc_finished_total",
                                         "Answered calls by status code"};

}  // namespace

MethodMetrics::MethodMetrics(MetricsRegistry& registry,
                             absl::string_view method)
    : in_flight_(
          registry.AddGauge(kInFlight, {{"method", std::string(method)}})),
      duration_(registry.AddHistogram(kDuration, DurationBuckets(),
                                      {{"method", std::string(method)}})) {
  for (size_t code = 0; code < finished_.size(); ++code) {
    finished_[code] = &registry.AddCounter(
        kFinished, {{"method", std::string(method)},
                    {"code", absl::StatusCodeToString(
                                 static_cast<absl::StatusCode>(code))}});
  }
}

void MethodMetrics::Finished(absl::StatusCode code, absl::Duration duration) {
  in_flight_.Decrement();
  duration_.Observe(absl::ToDoubleSeconds(duration));
  const auto index = static_cast<size_t>(code);
  // 2 is UNKNOWN.
  finished_[index < finished_.size() ? index : 2]->Increment();
}

}  // namespace diptych
