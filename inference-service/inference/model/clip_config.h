// config.json of Hugging Face's CLIPModel.
//
// Operation: what the file does not give has the built-in defaults of
// CLIPConfig, CLIPTextConfig and CLIPVisionConfig (the newer save_pretrained
// writes only differences). A legacy "text_config_dict" or "vision_config_dict"
// that is not null replaces "text_config" or "vision_config". Directories of
// one tower (model_type clip_text_model, clip_vision_model) have its
// configuration at the top. Source: transformers 4.x, configuration_clip.py.
// Concurrency: value types and a free function.
// Limits: those of ParseClipConfig's checks; a tower has at most 128 layers.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

enum class Activation {
  // x * sigmoid(1.702 x)
  kQuickGelu,
  // x * Phi(x), by erf
  kGelu,
  // its approximation by tanh
  kGeluTanh,
};

struct TransformerConfig {
  int hidden_size = 0;
  int intermediate_size = 0;
  int layers = 0;
  int heads = 0;
  Activation activation = Activation::kQuickGelu;
  double layer_norm_epsilon = 1e-5;
};

struct ClipTextConfig {
  TransformerConfig transformer{512, 2048, 12, 8};
  int vocabulary_size = 49408;
  int max_position_embeddings = 77;
  // 2 is a mistake of old files and means: pool at the largest id.
  int32_t eos_token_id = 49407;
};

struct ClipVisionConfig {
  TransformerConfig transformer{768, 3072, 12, 12};
  int image_size = 224;
  int patch_size = 32;

  int patches_per_side() const { return image_size / patch_size; }
};

struct ClipConfig {
  int projection_dim = 512;
  // At least one of them.
  std::optional<ClipTextConfig> text;
  std::optional<ClipVisionConfig> vision;
};

// INVALID_ARGUMENT when `json` is no object, is of another family (which is
// named), or has a value of the wrong type or range.
absl::StatusOr<ClipConfig> ParseClipConfig(absl::string_view json);

}  // namespace diptych::inference
