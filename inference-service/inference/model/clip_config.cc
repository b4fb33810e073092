#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/model/family_configs.h"

namespace diptych::inference {
namespace {

// OpenAI's mistake, kept by Hugging Face: files with this id of the end token
// mean the largest id.
constexpr int kLegacyEndId = 2;

DenseConfig Projection(const char* name, int in, int out) {
  return {.weight = name, .bias = "", .in = in, .out = out};
}

absl::StatusOr<TextTowerConfig> ReadClipText(const ConfigReader& config,
                                             bool legacy_end_id,
                                             int projection) {
  TextTowerConfig tower;
  tower.transformer = {512, 2048, 12, 8};
  tower.transformer.tensors = ClipLayers("text_model");
  tower.token_embedding = "text_model.embeddings.token_embedding.weight";
  tower.position_embedding = "text_model.embeddings.position_embedding.weight";
  tower.final_norm = "text_model.final_layer_norm.";
  tower.vocabulary_size = 49408;
  tower.position_count = 77;
  tower.end_id = 49407;
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("vocab_size", 2, 1 << 20, tower.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("max_position_embeddings", 2, 8192, tower.position_count));
  DIPTYCH_RETURN_IF_ERROR(config.Integer(
      "eos_token_id", 0, tower.vocabulary_size - 1, tower.end_id));
  tower.context_length = tower.position_count;
  if (legacy_end_id && tower.end_id == kLegacyEndId) {
    tower.pooling = TextPooling::kLargestId;
  }
  tower.head = {Projection("text_projection.weight",
                           tower.transformer.hidden_size, projection)};
  return tower;
}

absl::StatusOr<TextTowerConfig> ReadChineseText(const ConfigReader& config,
                                                int projection) {
  TextTowerConfig tower = BertTower();
  tower.prefixes = {"text_model."};
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("vocab_size", 2, 1 << 20, tower.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("max_position_embeddings", 2, 8192, tower.position_count));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("type_vocab_size", 1, 16, tower.type_count));
  tower.context_length = tower.position_count;
  tower.pooling = TextPooling::kFirst;
  tower.head = {Projection("text_projection.weight",
                           tower.transformer.hidden_size, projection)};
  return tower;
}

absl::StatusOr<ImageTowerConfig> ReadClipImage(const ConfigReader& config,
                                               int projection) {
  ImageTowerConfig tower;
  tower.transformer = {768, 3072, 12, 12};
  tower.transformer.tensors = ClipLayers("vision_model");
  tower.patch_weight = "vision_model.embeddings.patch_embedding.weight";
  tower.class_embedding = "vision_model.embeddings.class_embedding";
  tower.position_embedding =
      "vision_model.embeddings.position_embedding.weight";
  // "layrnorm" is how the published files spell it.
  tower.pre_norm = "vision_model.pre_layrnorm.";
  tower.post_norm = "vision_model.post_layernorm.";
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer));
  DIPTYCH_RETURN_IF_ERROR(ReadImageSizes(config, tower));
  tower.head = {Projection("visual_projection.weight",
                           tower.transformer.hidden_size, projection)};
  return tower;
}

}  // namespace

LayerTensors ClipLayers(absl::string_view tower) {
  return {.prefix = absl::StrCat(tower, ".encoder.layers."),
          .query_key_value = {"self_attn.q_proj.", "self_attn.k_proj.",
                              "self_attn.v_proj."},
          .attention_out = "self_attn.out_proj.",
          .attention_norm = "layer_norm1.",
          .mlp_in = "mlp.fc1.",
          .mlp_out = "mlp.fc2.",
          .mlp_norm = "layer_norm2."};
}

absl::StatusOr<ConfigReader> TowerOf(const ConfigReader& config,
                                     const char* key) {
  const std::string legacy = absl::StrCat(key, "_dict");
  return config.Object(config.Has(legacy) ? legacy : key);
}

absl::StatusOr<TowersConfig> ParseClipConfig(const ConfigReader& config,
                                             absl::string_view model_type) {
  const bool chinese = absl::StartsWith(model_type, "chinese_clip");
  const bool metaclip = absl::StartsWith(model_type, "metaclip_2");
  const bool text_only = absl::EndsWith(model_type, "_text_model");
  const bool image_only = absl::EndsWith(model_type, "_vision_model");
  TowersConfig towers;
  towers.family = chinese ? "chinese-clip" : metaclip ? "metaclip-2" : "clip";
  int projection = 512;
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("projection_dim", 1, 16384, projection));
  if (!image_only) {
    DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader text,
                             TowerOf(config, "text_config"));
    const ConfigReader& given = text_only ? config : text;
    if (chinese) {
      DIPTYCH_ASSIGN_OR_RETURN(towers.text, ReadChineseText(given, projection));
    } else {
      DIPTYCH_ASSIGN_OR_RETURN(towers.text,
                               ReadClipText(given, !metaclip, projection));
    }
  }
  if (!text_only) {
    DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader vision,
                             TowerOf(config, "vision_config"));
    DIPTYCH_ASSIGN_OR_RETURN(
        towers.image, ReadClipImage(image_only ? config : vision, projection));
  }
  return towers;
}

}  // namespace diptych::inference
