// What a model's batcher measures.
//
// Concurrency: every method may be called from any thread. The registry
// outlives it.
#pragma once

#include <array>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/observability/metrics.h"

namespace diptych::inference {

// Why a batch was closed.
enum class CloseReason { kFull, kDelay, kDeadline, kIdle, kShutdown };
inline constexpr int kCloseReasons = 5;

class BatcherMetrics {
 public:
  BatcherMetrics(MetricsRegistry& registry, absl::string_view model);

  void SetDepth(int inputs) { depth_.Set(inputs); }
  void Refused(int inputs) { refused_.Increment(inputs); }
  void Dropped(int inputs) { dropped_.Increment(inputs); }
  void Closed(CloseReason reason, int inputs);
  void Waited(absl::Duration duration) {
    wait_.Observe(absl::ToDoubleSeconds(duration));
  }
  void Encoded(absl::Duration duration) {
    encode_.Observe(absl::ToDoubleSeconds(duration));
  }

 private:
  Gauge& depth_;
  Counter& refused_;
  Counter& dropped_;
  Histogram& size_;
  Histogram& wait_;
  Histogram& encode_;
  std::array<Counter*, kCloseReasons> closed_;
};

}  // namespace diptych::inference
