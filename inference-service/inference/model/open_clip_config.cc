#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/model/family_configs.h"

namespace diptych::inference {
namespace {

using Json = ConfigReader::Json;

// A text tower that OpenCLIP takes from Hugging Face by name: the sizes are not
// in the file.
struct NamedTower {
  const char* name;
  int hidden_size;
  int intermediate_size;
  int layers;
  int heads;
  int vocabulary_size;
};

constexpr NamedTower kNamedTowers[] = {
    {"roberta-base", 768, 3072, 12, 12, 50265},
    {"xlm-roberta-base", 768, 3072, 12, 12, 250002},
    {"xlm-roberta-large", 1024, 4096, 24, 16, 250002},
};

LayerTensors OpenClipLayers(std::string prefix) {
  return {.prefix = std::move(prefix),
          .query_key_value = {"attn.in_proj_"},
          .attention_out = "attn.out_proj.",
          .attention_norm = "ln_1.",
          .mlp_in = "mlp.c_fc.",
          .mlp_out = "mlp.c_proj.",
          .mlp_norm = "ln_2."};
}

// Refuses what is given beyond `known`, unless it is switched off: an option
// that is passed over gives embeddings that are wrong without any error.
absl::Status CheckOptions(const ConfigReader& config,
                          std::initializer_list<absl::string_view> known) {
  for (const auto& [key, value] : config.json().items()) {
    const bool off = value.is_null() || value == false || value == 0;
    if (off || std::find(known.begin(), known.end(), key) != known.end()) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        config.file(), ": option \"", absl::Utf8SafeCEscape(key),
        "\" is not known; known here are ",
        "plain vision transformers, CLIP's text transformer, and "
        "roberta-base, xlm-roberta-base or xlm-roberta-large as text tower"));
  }
  return absl::OkStatus();
}

// An option that may be given as long as it is `usual`.
absl::Status CheckUsual(const ConfigReader& config, absl::string_view key,
                        absl::string_view usual) {
  const Json* found = config.Find(key);
  if (found == nullptr || *found == std::string(usual)) {
    return absl::OkStatus();
  }
  return config.Bad(key, absl::StrCat("\"", usual, "\""));
}

// "layers", "width" and "mlp_ratio".
absl::Status ReadSizes(const ConfigReader& config,
                       TransformerConfig& transformer) {
  DIPTYCH_RETURN_IF_ERROR(config.Integer("layers", 1, 128, transformer.layers));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("width", 1, 16384, transformer.hidden_size));
  double ratio = 4;
  DIPTYCH_RETURN_IF_ERROR(config.Number("mlp_ratio", 0.01, 64, ratio));
  transformer.intermediate_size =
      std::max(1, static_cast<int>(transformer.hidden_size * ratio));
  return absl::OkStatus();
}

absl::StatusOr<ImageTowerConfig> ReadImage(const ConfigReader& config,
                                           Activation activation,
                                           int dimension) {
  if (config.Has("timm_model_name")) {
    return config.Bad("timm_model_name",
                      "absent: image towers of timm are not known");
  }
  // Dropping patches is for training alone.
  DIPTYCH_RETURN_IF_ERROR(CheckOptions(
      config,
      {"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size",
       "patch_dropout", "pool_type", "pos_embed_type", "output_tokens"}));
  DIPTYCH_RETURN_IF_ERROR(CheckUsual(config, "pool_type", "tok"));
  DIPTYCH_RETURN_IF_ERROR(CheckUsual(config, "pos_embed_type", "learnable"));
  ImageTowerConfig tower;
  TransformerConfig& transformer = tower.transformer;
  transformer = {768, 3072, 12, 12, activation, 1e-5};
  transformer.tensors = OpenClipLayers("visual.transformer.resblocks.");
  if (const Json* layers = config.Find("layers");
      layers != nullptr && layers->is_array()) {
    return config.Bad("layers", "a number: ResNets are not known");
  }
  DIPTYCH_RETURN_IF_ERROR(ReadSizes(config, transformer));
  int head_width = 64;
  DIPTYCH_RETURN_IF_ERROR(config.Integer("head_width", 1, 16384, head_width));
  transformer.heads = transformer.hidden_size / head_width;
  DIPTYCH_RETURN_IF_ERROR(CheckHeads(config, "head_width", transformer));
  tower.patch_size = 16;
  DIPTYCH_RETURN_IF_ERROR(ReadImageSizes(config, tower));
  tower.patch_weight = "visual.conv1.weight";
  tower.class_embedding = "visual.class_embedding";
  tower.position_embedding = "visual.positional_embedding";
  tower.pre_norm = "visual.ln_pre.";
  tower.post_norm = "visual.ln_post.";
  tower.head = {{.weight = "visual.proj",
                 .in = transformer.hidden_size,
                 .out = dimension,
                 .transposed = true}};
  return tower;
}

absl::StatusOr<TextTowerConfig> ReadClipText(const ConfigReader& config,
                                             Activation activation,
                                             int dimension) {
  DIPTYCH_RETURN_IF_ERROR(CheckOptions(
      config,
      {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio",
       "hf_tokenizer_name", "tokenizer_kwargs", "pool_type", "proj_type"}));
  DIPTYCH_RETURN_IF_ERROR(CheckUsual(config, "pool_type", "argmax"));
  DIPTYCH_RETURN_IF_ERROR(CheckUsual(config, "proj_type", "linear"));
  TextTowerConfig tower;
  TransformerConfig& transformer = tower.transformer;
  transformer = {512, 2048, 12, 8, activation, 1e-5};
  transformer.tensors = OpenClipLayers("transformer.resblocks.");
  DIPTYCH_RETURN_IF_ERROR(ReadSizes(config, transformer));
  DIPTYCH_RETURN_IF_ERROR(config.Integer("heads", 1, 256, transformer.heads));
  DIPTYCH_RETURN_IF_ERROR(CheckHeads(config, "heads", transformer));
  tower.prefixes = {"", "text."};
  tower.token_embedding = "token_embedding.weight";
  tower.position_embedding = "positional_embedding";
  tower.final_norm = "ln_final.";
  tower.vocabulary_size = 49408;
  tower.position_count = 77;
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("vocab_size", 2, 1 << 20, tower.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("context_length", 2, 8192, tower.position_count));
  tower.context_length = tower.position_count;
  tower.pooling = TextPooling::kLargestId;
  tower.head = {{.weight = "text_projection",
                 .in = transformer.hidden_size,
                 .out = dimension,
                 .transposed = true}};
  return tower;
}

// RoBERTa of Hugging Face below "text.transformer.", pooled and projected by
// OpenCLIP.
absl::StatusOr<TextTowerConfig> ReadNamedText(const ConfigReader& config,
                                              int dimension) {
  DIPTYCH_RETURN_IF_ERROR(CheckOptions(
      config, {"hf_model_name", "hf_tokenizer_name", "tokenizer_kwargs",
               "hf_model_pretrained", "proj", "hf_proj_type", "pooler_type",
               "hf_pooler_type", "context_length", "vocab_size"}));
  const Json* name = config.Find("hf_model_name");
  const auto* const named = std::find_if(
      std::begin(kNamedTowers), std::end(kNamedTowers),
      [&](const NamedTower& tower) { return *name == tower.name; });
  if (named == std::end(kNamedTowers)) {
    return config.Bad("hf_model_name",
                      "roberta-base, xlm-roberta-base or xlm-roberta-large");
  }
  TextTowerConfig tower = RobertaTower();
  tower.transformer.hidden_size = named->hidden_size;
  tower.transformer.intermediate_size = named->intermediate_size;
  tower.transformer.layers = named->layers;
  tower.transformer.heads = named->heads;
  tower.vocabulary_size = named->vocabulary_size;
  tower.prefixes = {"text.transformer."};
  tower.context_length = 77;
  DIPTYCH_RETURN_IF_ERROR(config.Integer(
      "context_length", 2, tower.position_count - tower.first_position,
      tower.context_length));
  // The older key first, then the one that replaced it.
  std::string pooler = "mean_pooler";
  DIPTYCH_RETURN_IF_ERROR(config.Text("pooler_type", pooler));
  DIPTYCH_RETURN_IF_ERROR(config.Text("hf_pooler_type", pooler));
  if (pooler == "cls_last_hidden_state_pooler") {
    tower.pooling = TextPooling::kFirst;
  } else if (pooler != "mean_pooler") {
    return config.Bad(
        config.Has("hf_pooler_type") ? "hf_pooler_type" : "pooler_type",
        "mean_pooler or cls_last_hidden_state_pooler");
  }
  const int hidden = tower.transformer.hidden_size;
  std::string projection = hidden == dimension ? "" : "mlp";
  DIPTYCH_RETURN_IF_ERROR(config.Text("proj", projection));
  DIPTYCH_RETURN_IF_ERROR(config.Text("hf_proj_type", projection));
  if (projection == "mlp") {
    const int middle = (hidden + dimension) / 2;
    tower.head = {
        {.weight = "text.proj.0.weight",
         .in = hidden,
         .out = middle,
         .activation = Activation::kGelu},
        {.weight = "text.proj.2.weight", .in = middle, .out = dimension}};
  } else if (projection == "linear") {
    tower.head = {
        {.weight = "text.proj.weight", .in = hidden, .out = dimension}};
  } else if (!projection.empty() || hidden != dimension) {
    return config.Bad(config.Has("hf_proj_type") ? "hf_proj_type" : "proj",
                      "mlp or linear");
  }
  return tower;
}

absl::StatusOr<PreprocessorConfig> ReadPreprocessor(const ConfigReader& config,
                                                    int image_size) {
  DIPTYCH_RETURN_IF_ERROR(
      CheckOptions(config, {"mean", "std", "interpolation", "resize_mode",
                            "size", "mode", "fill_color"}));
  DIPTYCH_RETURN_IF_ERROR(CheckUsual(config, "mode", "RGB"));
  PreprocessorConfig preprocessor;
  preprocessor.crop_rounding = CropRounding::kHalfToEven;
  preprocessor.crop_width = preprocessor.crop_height = image_size;
  preprocessor.shortest_edge = image_size;
  std::string mode = "shortest";
  DIPTYCH_RETURN_IF_ERROR(config.Text("resize_mode", mode));
  if (mode == "squash") {
    preprocessor.shortest_edge = 0;
    preprocessor.resized_width = preprocessor.resized_height = image_size;
  } else if (mode != "shortest") {
    return config.Bad("resize_mode", "shortest or squash");
  }
  std::string interpolation = "bicubic";
  DIPTYCH_RETURN_IF_ERROR(config.Text("interpolation", interpolation));
  if (interpolation == "bilinear") {
    preprocessor.filter = ResampleFilter::kBilinear;
  } else if (interpolation != "bicubic" && interpolation != "random") {
    return config.Bad("interpolation", "bicubic, bilinear or random");
  }
  // "random" chooses in training; evaluation is bicubic.
  const std::pair<const char*, std::array<double, 3>*> channels[] = {
      {"mean", &preprocessor.mean}, {"std", &preprocessor.deviation}};
  for (const auto& [key, values] : channels) {
    const Json* found = config.Find(key);
    if (found == nullptr) continue;
    if (!found->is_array() || found->size() != values->size() ||
        !std::all_of(found->begin(), found->end(),
                     [](const Json& value) { return value.is_number(); })) {
      return config.Bad(key, "a list of 3 numbers");
    }
    *values = found->get<std::array<double, 3>>();
  }
  for (const double deviation : preprocessor.deviation) {
    if (!(deviation > 0)) return config.Bad("std", "positive");
  }
  return preprocessor;
}

}  // namespace

absl::StatusOr<OpenClipConfig> ParseOpenClipConfig(absl::string_view json) {
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader file,
                           ConfigReader::Parse(json, "open_clip_config.json"));
  if (!file.Has("model_cfg")) return file.Bad("model_cfg", "an object");
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader model, file.Object("model_cfg"));
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader vision,
                           model.Object("vision_cfg"));
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader text, model.Object("text_cfg"));
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader preprocess,
                           file.Object("preprocess_cfg"));
  // "custom_text" only moves the text tower below "text.".
  DIPTYCH_RETURN_IF_ERROR(CheckOptions(
      model, {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu",
              "custom_text", "init_logit_scale", "init_logit_bias"}));
  int dimension = 0;
  DIPTYCH_RETURN_IF_ERROR(model.Integer("embed_dim", 1, 16384, dimension));
  if (dimension == 0) return model.Bad("embed_dim", "given");
  bool quick_gelu = false;
  DIPTYCH_RETURN_IF_ERROR(model.Boolean("quick_gelu", quick_gelu));
  const Activation activation =
      quick_gelu ? Activation::kQuickGelu : Activation::kGelu;
  OpenClipConfig config;
  config.towers.family = "openclip";
  DIPTYCH_ASSIGN_OR_RETURN(config.towers.image,
                           ReadImage(vision, activation, dimension));
  if (text.Has("hf_model_name")) {
    DIPTYCH_ASSIGN_OR_RETURN(config.towers.text,
                             ReadNamedText(text, dimension));
  } else {
    DIPTYCH_ASSIGN_OR_RETURN(config.towers.text,
                             ReadClipText(text, activation, dimension));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      config.preprocessor,
      ReadPreprocessor(preprocess, config.towers.image->image_size));
  return config;
}

}  // namespace diptych::inference
