// What every RPC method measures.
//
// Operation: one MethodMetrics per method, made at start; the registry outlives
// it.
// Concurrency: every method may be called from any thread.
// Limits: 17 series of the counter per method.
#pragma once

#include <array>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/observability/metrics.h"

namespace diptych {

class MethodMetrics {
 public:
  MethodMetrics(MetricsRegistry& registry, absl::string_view method);

  void Started() { in_flight_.Increment(); }
  void Finished(absl::StatusCode code, absl::Duration duration);

 private:
  Gauge& in_flight_;
  Histogram& duration_;
  // By code, 0 to 16.
  std::array<Counter*, 17> finished_;
};

}  // namespace diptych
