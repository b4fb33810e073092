#include "common/observability/metrics.h"

#include "prometheus/text_serializer.h"

namespace diptych {

const std::vector<double>& DurationBuckets() {
  static const auto* const buckets = new std::vector<double>{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
      0.25,   0.5,     1,      2.5,   5,      10,    25,   50,    100};
  return *buckets;
}

const std::vector<double>& SizeBuckets() {
  static const auto* const buckets =
      new std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  return *buckets;
}

Counter& MetricsRegistry::AddCounter(const MetricDescription& description,
                                     const MetricLabels& labels) {
  return prometheus::BuildCounter()
      .Name(description.name)
      .Help(description.help)
      .Register(registry_)
      .Add(labels);
}

Gauge& MetricsRegistry::AddGauge(const MetricDescription& description,
                                 const MetricLabels& labels) {
  return prometheus::BuildGauge()
      .Name(description.name)
      .Help(description.help)
      .Register(registry_)
      .Add(labels);
}

Histogram& MetricsRegistry::AddHistogram(const MetricDescription& description,
                                         const std::vector<double>& buckets,
                                         const MetricLabels& labels) {
  return prometheus::BuildHistogram()
      .Name(description.name)
      .Help(description.help)
      .Register(registry_)
      .Add(labels, buckets);
}

std::string MetricsRegistry::TextExposition() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace diptych
