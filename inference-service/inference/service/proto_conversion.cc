#include "inference/service/proto_conversion.h"

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::inference {

PipelineInput ToPipelineInput(const v1::Input& input, absl::string_view path) {
  switch (input.content_case()) {
    case v1::Input::kText:
      return {Modality::kText, input.text(), absl::StrCat(path, ".text")};
    case v1::Input::kImage:
      return {Modality::kImage, input.image(), absl::StrCat(path, ".image")};
    case v1::Input::CONTENT_NOT_SET:
      break;
  }
  return {Modality::kText, "", std::string(path)};
}

std::vector<PipelineInput> ToPipelineInputs(
    const v1::VectorizeRequest& request) {
  std::vector<PipelineInput> inputs;
  inputs.reserve(request.inputs_size());
  for (int i = 0; i < request.inputs_size(); ++i) {
    inputs.push_back(
        ToPipelineInput(request.inputs(i), absl::StrCat("inputs[", i, "]")));
  }
  return inputs;
}

absl::StatusOr<Priority> ToPriority(v1::Priority priority,
                                    Priority unspecified) {
  switch (priority) {
    case v1::PRIORITY_UNSPECIFIED:
      return unspecified;
    case v1::PRIORITY_INTERACTIVE:
      return Priority::kInteractive;
    case v1::PRIORITY_BULK:
      return Priority::kBulk;
    default:
      return InvalidField(
          "priority",
          absl::StrCat("must be PRIORITY_INTERACTIVE (1) or PRIORITY_BULK (2); "
                       "given: ",
                       static_cast<int>(priority)));
  }
}

void FillEmbedding(const PipelineOutput& output, v1::Embedding& embedding) {
  embedding.mutable_values()->Add(output.embedding.begin(),
                                  output.embedding.end());
  embedding.set_truncated(output.truncated);
  embedding.set_tokens(output.tokens);
}

void FillResponse(const ModelInfo& info,
                  const std::vector<PipelineOutput>& outputs,
                  v1::VectorizeResponse& response) {
  for (const PipelineOutput& output : outputs) {
    FillEmbedding(output, *response.add_embeddings());
  }
  response.set_model(info.name);
  response.set_fingerprint(info.fingerprint);
  response.set_dimension(info.dimension);
  response.set_normalized(info.normalized());
}

void FillModel(const ModelInfo& info, bool is_default, v1::Model& model) {
  model.set_name(info.name);
  model.set_fingerprint(info.fingerprint);
  model.set_dimension(info.dimension);
  if (info.has_text) model.add_modalities(v1::MODALITY_TEXT);
  if (info.has_image) model.add_modalities(v1::MODALITY_IMAGE);
  model.set_context_length_tokens(info.context_length);
  model.set_image_size_pixels(info.image_size);
  model.set_normalized(info.normalized());
  model.set_device(info.device);
  model.set_precision(info.dtype);
  model.set_is_default(is_default);
  model.set_family(info.family);
}

void FillLimits(const ModelPipeline& pipeline, const ServiceLimits& limits,
                v1::Limits& message) {
  message.set_inputs_per_request_max(pipeline.limits().inputs_max);
  message.set_text_bytes_max(
      static_cast<int64_t>(pipeline.limits().text_bytes_max));
  message.set_image_bytes_max(
      static_cast<int64_t>(pipeline.limits().image_bytes_max));
  message.set_image_pixels_max(limits.image_pixels_max);
  message.set_message_bytes_max(limits.message_bytes_max);
  message.set_queue_inputs_max(pipeline.queue_max());
}

}  // namespace diptych::inference
