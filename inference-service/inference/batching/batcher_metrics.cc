#include "inference/batching/batcher_metrics.h"

#include <string>

namespace diptych::inference {
namespace {

constexpr MetricDescription kDepth = {
    "diptych_inference_queue_inputs",
    "Inputs admitted for a model and not yet in a batch"};
constexpr MetricDescription kRefused = {
    "diptych_inference_refused_inputs_total",
    "Inputs refused because the model's queue was full"};
constexpr MetricDescription kDropped = {
    "diptych_inference_dropped_inputs_total",
    "Inputs dropped because their deadline passed or the caller cancelled"};
constexpr MetricDescription kSize = {"diptych_inference_batch_inputs",
                                     "Inputs per batch"};
constexpr MetricDescription kWait = {
    "diptych_inference_queue_wait_seconds",
    "From an input's arrival in the queue to its batch"};
constexpr MetricDescription kEncode = {"diptych_inference_encode_seconds",
                                       "The model's time for one batch"};
constexpr MetricDescription kClosed = {"diptych_inference_batches_total",
                                       "Batches by what closed them"};
constexpr std::array<const char*, kCloseReasons> kReasonNames = {
    "full", "delay", "deadline", "idle", "shutdown"};

MetricLabels Labels(absl::string_view model) {
  return {{"model", std::string(model)}};
}

}  // namespace

BatcherMetrics::BatcherMetrics(MetricsRegistry& registry,
                               absl::string_view model)
    : depth_(registry.AddGauge(kDepth, Labels(model))),
      refused_(registry.AddCounter(kRefused, Labels(model))),
      dropped_(registry.AddCounter(kDropped, Labels(model))),
      size_(registry.AddHistogram(kSize, SizeBuckets(), Labels(model))),
      wait_(registry.AddHistogram(kWait, DurationBuckets(), Labels(model))),
      encode_(
          registry.AddHistogram(kEncode, DurationBuckets(), Labels(model))) {
  for (int reason = 0; reason < kCloseReasons; ++reason) {
    MetricLabels labels = Labels(model);
    labels["reason"] = kReasonNames[reason];
    closed_[reason] = &registry.AddCounter(kClosed, labels);
  }
}

void BatcherMetrics::Closed(CloseReason reason, int inputs) {
  closed_[static_cast<int>(reason)]->Increment();
  size_.Observe(inputs);
}

}  // namespace diptych::inference
