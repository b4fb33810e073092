// What the HTTP routes share: the models, and waiting for a pipeline.
//
// Operation: Vectorize hands the inputs to the model's pipeline, at most
// PipelineLimits::inputs_max at a time, and waits. So requests that come at the
// same time share batches. While it waits it looks every kHangUpInterval
// whether the client is still there; the inputs of one that has gone do not
// reach the model any more.
// Concurrency: every method may be called from any thread; Vectorize blocks it.
// Limits: kInputsMax inputs per request, kTimeout for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/observability/metrics.h"
#include "inference/pipeline/model_set.h"

namespace diptych::inference {

class InferenceApi {
 public:
  // OpenAI's own limit, which its clients fill.
  static constexpr size_t kInputsMax = 2048;
  // A person waits for few inputs; more are an import, which others may
  // overtake.
  static constexpr size_t kInteractiveInputsMax = 16;
  // Weaviate gives up after 50 s.
  static constexpr absl::Duration kTimeout = absl::Seconds(50);
  static constexpr absl::Duration kHangUpInterval = absl::Milliseconds(100);

  // `models` is read once `loaded` says that it is filled; it and `metrics`
  // outlive this object.
  InferenceApi(const ModelSet& models, std::function<bool()> loaded,
               MetricsRegistry& metrics);

  // UNAVAILABLE until the models are loaded, then as ModelSet::Find.
  absl::StatusOr<std::shared_ptr<ModelPipeline>> Find(
      absl::string_view name) const;

  // All of them, the default one first. UNAVAILABLE until they are loaded.
  absl::StatusOr<ModelSet::Pipelines> All() const;

  // One output per input, in order; the pipeline's errors, whose fields are the
  // inputs' own. INVALID_ARGUMENT for more than kInputsMax, CANCELLED when
  // `hung_up` (HttpRequest::hung_up) said that the client has gone. The inputs'
  // memory must live until this returns.
  absl::StatusOr<std::vector<PipelineOutput>> Vectorize(
      ModelPipeline& pipeline, std::vector<PipelineInput> inputs,
      const std::function<bool()>& hung_up) const;

  // When this object was made.
  absl::Time started() const { return started_; }

 private:
  const ModelSet& models_;
  const std::function<bool()> loaded_;
  Counter& hang_ups_;
  const absl::Time started_ = absl::Now();
};

}  // namespace diptych::inference
