#include "inference/http/inference_api.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

constexpr MetricDescription kHangUps = {
    "diptych_inference_http_hang_ups_total",
    "Requests whose client closed the connection before their answer"};

absl::Status NotLoaded() {
  return WithRetryAfter(
      absl::UnavailableError("the models are being loaded; try again later"),
      absl::Seconds(1));
}

}  // namespace

InferenceApi::InferenceApi(const ModelSet& models, std::function<bool()> loaded,
                           MetricsRegistry& metrics)
    : models_(models),
      loaded_(std::move(loaded)),
      hang_ups_(metrics.AddCounter(kHangUps)) {}

absl::StatusOr<std::shared_ptr<ModelPipeline>> InferenceApi::Find(
    absl::string_view name) const {
  if (!loaded_()) return NotLoaded();
  return models_.Find(name);
}

absl::StatusOr<ModelSet::Pipelines> InferenceApi::All() const {
  if (!loaded_()) return NotLoaded();
  return models_.all();
}

absl::StatusOr<std::vector<PipelineOutput>> InferenceApi::Vectorize(
    ModelPipeline& pipeline, std::vector<PipelineInput> inputs,
    const std::function<bool()>& hung_up) const {
  if (inputs.size() > kInputsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a request has at most ", kInputsMax,
                     " inputs; send fewer at a time; given: ", inputs.size()));
  }
  const Priority priority = inputs.size() <= kInteractiveInputsMax
                                ? Priority::kInteractive
                                : Priority::kBulk;
  const auto cancellation = std::make_shared<Cancellation>();
  CallContext call;
  call.deadline = absl::Now() + kTimeout;
  call.cancellation = cancellation;
  const auto part_max = static_cast<size_t>(pipeline.limits().inputs_max);
  std::vector<PipelineOutput> outputs;
  outputs.reserve(inputs.size());
  for (size_t begin = 0; begin < inputs.size(); begin += part_max) {
    const auto first =
        std::make_move_iterator(inputs.begin()) + static_cast<ptrdiff_t>(begin);
    const auto count =
        static_cast<ptrdiff_t>(std::min(part_max, inputs.size() - begin));
    absl::Notification answered;
    absl::StatusOr<std::vector<PipelineOutput>> part;
    pipeline.Vectorize(std::vector<PipelineInput>(first, first + count),
                       priority, call,
                       [&](absl::StatusOr<std::vector<PipelineOutput>> result) {
                         part = std::move(result);
                         answered.Notify();
                       });
    // Also where the caller has gone: the inputs' memory and `part` must
    // outlive the pipeline's work, which then ends before the next batch.
    while (!answered.WaitForNotificationWithTimeout(kHangUpInterval)) {
      if (cancellation->cancelled() || !hung_up()) continue;
      cancellation->Cancel();
      hang_ups_.Increment();
    }
    DIPTYCH_RETURN_IF_ERROR(part.status());
    std::move(part->begin(), part->end(), std::back_inserter(outputs));
  }
  return outputs;
}

}  // namespace diptych::inference
