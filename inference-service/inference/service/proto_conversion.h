// Messages of diptych.inference.v1 to and from the service's own types.
// Protobuf ends here.
//
// Concurrency: free functions without shared state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "diptych/inference/v1/inference_service.pb.h"
#include "inference/model/encoder.h"
#include "inference/pipeline/model_pipeline.h"

namespace diptych::inference {

// What GetModel says about the whole service; the rest comes from the pipeline.
struct ServiceLimits {
  int64_t image_pixels_max = 50'000'000;
  int64_t message_bytes_max = 64 << 20;
};

// Views into `input`, which must outlive the result. `path` is the input's own,
// e.g. "inputs[2]". An input that has neither text nor picture is an empty
// text, which the pipeline refuses together with the other bad inputs.
PipelineInput ToPipelineInput(const v1::Input& input, absl::string_view path);
std::vector<PipelineInput> ToPipelineInputs(
    const v1::VectorizeRequest& request);

// `unspecified` stands for PRIORITY_UNSPECIFIED. INVALID_ARGUMENT for a number
// that is no priority.
absl::StatusOr<Priority> ToPriority(v1::Priority priority,
                                    Priority unspecified);

void FillEmbedding(const PipelineOutput& output, v1::Embedding& embedding);
void FillResponse(const ModelInfo& info,
                  const std::vector<PipelineOutput>& outputs,
                  v1::VectorizeResponse& response);
void FillModel(const ModelInfo& info, bool is_default, v1::Model& model);
void FillLimits(const ModelPipeline& pipeline, const ServiceLimits& limits,
                v1::Limits& message);

}  // namespace diptych::inference
