#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "common/status/status_macros.h"
#include "inference/model/family_configs.h"

namespace diptych::inference {
namespace {

absl::StatusOr<TextTowerConfig> ReadSiglipText(const ConfigReader& config) {
  TextTowerConfig tower;
  tower.transformer = {.hidden_size = 768,
                       .intermediate_size = 3072,
                       .layers = 12,
                       .heads = 12,
                       .activation = Activation::kGeluTanh,
                       .layer_norm_epsilon = 1e-6};
  tower.transformer.tensors = ClipLayers("text_model");
  tower.token_embedding = "text_model.embeddings.token_embedding.weight";
  tower.position_embedding = "text_model.embeddings.position_embedding.weight";
  tower.final_norm = "text_model.final_layer_norm.";
  tower.vocabulary_size = 32000;
  tower.position_count = 64;
  tower.causal = false;
  tower.pooling = TextPooling::kLast;
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("vocab_size", 2, 1 << 20, tower.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("max_position_embeddings", 2, 8192, tower.position_count));
  tower.context_length = tower.position_count;
  int padding = 1;
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("pad_token_id", 0, tower.vocabulary_size - 1, padding));
  tower.padding_id = padding;
  int out = tower.transformer.hidden_size;
  DIPTYCH_RETURN_IF_ERROR(config.Integer("projection_size", 1, 16384, out));
  tower.head = {{.weight = "text_model.head.weight",
                 .bias = "text_model.head.bias",
                 .in = tower.transformer.hidden_size,
                 .out = out}};
  return tower;
}

absl::StatusOr<ImageTowerConfig> ReadSiglipImage(const ConfigReader& config) {
  ImageTowerConfig tower;
  tower.transformer = {.hidden_size = 768,
                       .intermediate_size = 3072,
                       .layers = 12,
                       .heads = 12,
                       .activation = Activation::kGeluTanh,
                       .layer_norm_epsilon = 1e-6};
  tower.transformer.tensors = ClipLayers("vision_model");
  tower.patch_size = 16;
  tower.patch_weight = "vision_model.embeddings.patch_embedding.weight";
  tower.patch_bias = "vision_model.embeddings.patch_embedding.bias";
  tower.position_embedding =
      "vision_model.embeddings.position_embedding.weight";
  tower.post_norm = "vision_model.post_layernorm.";
  tower.attention_pool = {
      .probe = "vision_model.head.probe",
      .query_key_value = "vision_model.head.attention.in_proj_",
      .attention_out = "vision_model.head.attention.out_proj.",
      .mlp_norm = "vision_model.head.layernorm.",
      .mlp_in = "vision_model.head.mlp.fc1.",
      .mlp_out = "vision_model.head.mlp.fc2."};
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer));
  DIPTYCH_RETURN_IF_ERROR(ReadImageSizes(config, tower));
  bool use_head = true;
  DIPTYCH_RETURN_IF_ERROR(config.Boolean("vision_use_head", use_head));
  if (!use_head) return config.Bad("vision_use_head", "true");
  return tower;
}

}  // namespace

absl::StatusOr<TowersConfig> ParseSiglipConfig(const ConfigReader& config,
                                               absl::string_view model_type) {
  const bool text_only = absl::EndsWith(model_type, "_text_model");
  const bool image_only = absl::EndsWith(model_type, "_vision_model");
  TowersConfig towers;
  towers.family = "siglip";
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader text,
                           TowerOf(config, "text_config"));
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader vision,
                           TowerOf(config, "vision_config"));
  if (!image_only) {
    DIPTYCH_ASSIGN_OR_RETURN(towers.text,
                             ReadSiglipText(text_only ? config : text));
  }
  if (!text_only) {
    DIPTYCH_ASSIGN_OR_RETURN(towers.image,
                             ReadSiglipImage(image_only ? config : vision));
  }
  return towers;
}

}  // namespace diptych::inference
