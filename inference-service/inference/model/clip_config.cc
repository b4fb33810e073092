#include "inference/model/clip_config.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using Json = nlohmann::json;

absl::Status Bad(absl::string_view key, absl::string_view allowed,
                 const Json& given) {
  return absl::InvalidArgumentError(
      absl::StrCat("config.json: \"", key, "\" must be ", allowed, "; it is ",
                   given.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

const Json* Find(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

template <typename Integer>
absl::Status ReadInteger(const Json& object, const char* key, int64_t least,
                         int64_t most, Integer& value) {
  const Json* found = Find(object, key);
  if (found == nullptr) return absl::OkStatus();
  const int64_t given =
      found->is_number_integer() ? found->get<int64_t>() : least - 1;
  if (given < least || given > most) {
    return Bad(key, absl::StrCat("a number from ", least, " to ", most),
               *found);
  }
  value = static_cast<Integer>(given);
  return absl::OkStatus();
}

absl::Status ReadActivation(const Json& object, Activation& activation) {
  const Json* found = Find(object, "hidden_act");
  if (found == nullptr) return absl::OkStatus();
  const std::string name = found->is_string() ? found->get<std::string>() : "";
  if (name == "quick_gelu") {
    activation = Activation::kQuickGelu;
  } else if (name == "gelu") {
    activation = Activation::kGelu;
  } else if (name == "gelu_new" || name == "gelu_fast" ||
             name == "gelu_pytorch_tanh") {
    activation = Activation::kGeluTanh;
  } else {
    return Bad("hidden_act", "quick_gelu, gelu or gelu_pytorch_tanh", *found);
  }
  return absl::OkStatus();
}

absl::Status ReadTransformer(const Json& object, TransformerConfig& config) {
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(object, "hidden_size", 1, 16384, config.hidden_size));
  DIPTYCH_RETURN_IF_ERROR(ReadInteger(object, "intermediate_size", 1, 65536,
                                      config.intermediate_size));
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(object, "num_hidden_layers", 1, 128, config.layers));
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(object, "num_attention_heads", 1, 256, config.heads));
  if (config.hidden_size % config.heads != 0) {
    return Bad(
        "num_attention_heads",
        absl::StrCat("a divisor of the hidden size ", config.hidden_size),
        config.heads);
  }
  if (const Json* epsilon = Find(object, "layer_norm_eps");
      epsilon != nullptr) {
    const double value = epsilon->is_number() ? epsilon->get<double>() : -1;
    if (!(value >= 0 && value < 1)) {
      return Bad("layer_norm_eps", "a small positive number", *epsilon);
    }
    config.layer_norm_epsilon = value;
  }
  return ReadActivation(object, config.activation);
}

absl::StatusOr<ClipTextConfig> ReadText(const Json& object) {
  ClipTextConfig config;
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(object, config.transformer));
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(object, "vocab_size", 2, 1 << 20, config.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(ReadInteger(object, "max_position_embeddings", 2,
                                      8192, config.max_position_embeddings));
  DIPTYCH_RETURN_IF_ERROR(ReadInteger(object, "eos_token_id", 0,
                                      config.vocabulary_size - 1,
                                      config.eos_token_id));
  return config;
}

absl::StatusOr<ClipVisionConfig> ReadVision(const Json& object) {
  ClipVisionConfig config;
  int channels = 3;
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(object, config.transformer));
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(object, "image_size", 1, 4096, config.image_size));
  DIPTYCH_RETURN_IF_ERROR(ReadInteger(object, "patch_size", 1,
                                      config.image_size, config.patch_size));
  DIPTYCH_RETURN_IF_ERROR(ReadInteger(object, "num_channels", 3, 3, channels));
  return config;
}

// The configuration of a tower; empty (all defaults) when none is given.
absl::StatusOr<Json> TowerOf(const Json& json, const char* key,
                             const char* legacy_key) {
  const Json* found = Find(json, legacy_key);
  if (found == nullptr) found = Find(json, key);
  if (found == nullptr) return Json::object();
  if (!found->is_object()) return Bad(key, "an object", *found);
  return *found;
}

}  // namespace

absl::StatusOr<ClipConfig> ParseClipConfig(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("config.json is not a JSON object");
  }
  const Json* type = Find(json, "model_type");
  const std::string family =
      type != nullptr && type->is_string() ? type->get<std::string>() : "";
  ClipConfig config;
  DIPTYCH_RETURN_IF_ERROR(
      ReadInteger(json, "projection_dim", 1, 16384, config.projection_dim));
  if (family == "clip") {
    DIPTYCH_ASSIGN_OR_RETURN(const Json text_tower,
                             TowerOf(json, "text_config", "text_config_dict"));
    DIPTYCH_ASSIGN_OR_RETURN(
        const Json vision_tower,
        TowerOf(json, "vision_config", "vision_config_dict"));
    DIPTYCH_ASSIGN_OR_RETURN(config.text, ReadText(text_tower));
    DIPTYCH_ASSIGN_OR_RETURN(config.vision, ReadVision(vision_tower));
  } else if (family == "clip_text_model") {
    DIPTYCH_ASSIGN_OR_RETURN(config.text, ReadText(json));
  } else if (family == "clip_vision_model") {
    DIPTYCH_ASSIGN_OR_RETURN(config.vision, ReadVision(json));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "config.json: this model family is not supported; \"clip\" is; "
        "\"model_type\" is ",
        type == nullptr ? "not given" : type->dump()));
  }
  return config;
}

}  // namespace diptych::inference
