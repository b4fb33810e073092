// Counters, gauges and histograms, and their Prometheus text form
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
//
// Operation: a MetricDescription says a family's name and meaning once, as a
// constant beside the code that measures; the registry makes one series per set
// of labels. Names begin with "diptych_" and end with their unit.
// Concurrency: every method, and those of Counter, Gauge and Histogram, may be
// called from any thread.
// Limits: label values come from fixed sets (methods, codes, model names),
// never from requests, so the number of series is bounded.
#pragma once

#include <string>
#include <vector>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/labels.h"
#include "prometheus/registry.h"

namespace diptych {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using MetricLabels = prometheus::Labels;

struct MetricDescription {
  const char* name;
  const char* help;
};

// 0.1 ms to 100 s in steps of 2 to 2.5: from a cached answer to a huge import.
const std::vector<double>& DurationBuckets();
// 1 to 1024 in powers of two.
const std::vector<double>& SizeBuckets();

class MetricsRegistry {
 public:
  MetricsRegistry() = default;
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // The series of `description` with `labels`, made at the first call. The
  // reference lives as long as the registry. One name is used with one type
  // only.
  Counter& AddCounter(const MetricDescription& description,
                      const MetricLabels& labels = {});
  Gauge& AddGauge(const MetricDescription& description,
                  const MetricLabels& labels = {});
  Histogram& AddHistogram(const MetricDescription& description,
                          const std::vector<double>& buckets,
                          const MetricLabels& labels = {});

  // Every series with its value, in Prometheus' text format 0.0.4.
  std::string TextExposition() const;

 private:
  prometheus::Registry registry_;
};

}  // namespace diptych
