#include "inference/model/sentence_transformers.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/model/config_reader.h"

namespace diptych::inference {
namespace {

using Json = ConfigReader::Json;
using Type = SentenceModule::Type;

absl::Status BadModules(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("modules.json ", why));
}

// The class is what counts: the package around it has moved.
absl::StatusOr<Type> TypeOf(const std::string& type) {
  static constexpr std::pair<absl::string_view, Type> kTypes[] = {
      {"CLIPModel", Type::kClip},
      {"Transformer", Type::kTransformer},
      {"Pooling", Type::kPooling},
      {"Dense", Type::kDense},
      {"Normalize", Type::kNormalize}};
  const std::string name = type.substr(type.rfind('.') + 1);
  if (absl::StartsWith(type, "sentence_transformers.")) {
    for (const auto& [known, result] : kTypes) {
      if (name == known) return result;
    }
  }
  return BadModules(absl::StrCat(
      "has a module that is not known: ", absl::Utf8SafeCEscape(type),
      "; known are CLIPModel, Transformer, Pooling, Dense and "
      "Normalize of sentence_transformers"));
}

// The older files have one key per mode, the newest a list or a name.
absl::Status CheckOnlyMode(const ConfigReader& config, bool cls, bool mean,
                           bool other) {
  if (cls != mean && !other) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      config.file(),
      ": exactly one of pooling_mode_mean_tokens and pooling_mode_cls_token "
      "must be true, and no other mode; other ways of pooling are not known"));
}

}  // namespace

absl::StatusOr<std::vector<SentenceModule>> ParseSentenceModules(
    absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_array() || json.empty() ||
      json.size() > SentenceModule::kModulesMax) {
    return BadModules(absl::StrCat("is not a JSON list of 1 to ",
                                   SentenceModule::kModulesMax, " modules"));
  }
  std::vector<SentenceModule> modules;
  for (const Json& entry : json) {
    const auto text_of = [&](const char* key) -> std::string {
      const bool given =
          entry.is_object() && entry.contains(key) && entry[key].is_string();
      return given ? entry[key].get<std::string>() : "";
    };
    SentenceModule module;
    DIPTYCH_ASSIGN_OR_RETURN(module.type, TypeOf(text_of("type")));
    module.path = std::string(absl::StripSuffix(text_of("path"), "/"));
    const bool first =
        module.type == Type::kClip || module.type == Type::kTransformer;
    if (first != modules.empty()) {
      return BadModules(
          "must begin with CLIPModel or Transformer, and have only one of "
          "them");
    }
    if (!modules.empty() && modules[0].type == Type::kClip &&
        module.type != Type::kNormalize) {
      return BadModules("has more behind CLIPModel than Normalize");
    }
    modules.push_back(std::move(module));
  }
  return modules;
}

absl::Status ApplyPooling(absl::string_view json, TextTowerConfig& tower) {
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader config,
                           ConfigReader::Parse(json, "config.json of Pooling"));
  bool cls = false;
  bool mean = false;
  bool other = false;
  for (const auto& [key, value] : config.json().items()) {
    if (!absl::StartsWith(key, "pooling_mode")) continue;
    if (key == "pooling_mode") {
      cls |= value == "cls";
      mean |= value == "mean";
      other |= value != "cls" && value != "mean";
    } else if (value == true) {
      cls |= key == "pooling_mode_cls_token";
      mean |= key == "pooling_mode_mean_tokens";
      other |=
          key != "pooling_mode_cls_token" && key != "pooling_mode_mean_tokens";
    }
  }
  DIPTYCH_RETURN_IF_ERROR(CheckOnlyMode(config, cls, mean, other));
  tower.pooling = cls ? TextPooling::kFirst : TextPooling::kMean;
  return absl::OkStatus();
}

absl::Status ApplyDense(absl::string_view json, absl::string_view mount,
                        TextTowerConfig& tower) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const ConfigReader config,
      ConfigReader::Parse(json, absl::StrCat(mount, "config.json")));
  DenseConfig dense;
  dense.weight = absl::StrCat(mount, "linear.weight");
  DIPTYCH_RETURN_IF_ERROR(config.Integer("in_features", 1, 16384, dense.in));
  DIPTYCH_RETURN_IF_ERROR(config.Integer("out_features", 1, 16384, dense.out));
  const int before = DimensionOf(tower.transformer, tower.head);
  if (dense.in != before) {
    return config.Bad("in_features",
                      absl::StrCat(before, ", as the modules before give"));
  }
  if (dense.out == 0) return config.Bad("out_features", "given");
  bool bias = true;
  DIPTYCH_RETURN_IF_ERROR(config.Boolean("bias", bias));
  if (bias) dense.bias = absl::StrCat(mount, "linear.bias");
  std::string activation = "Tanh";
  DIPTYCH_RETURN_IF_ERROR(config.Text("activation_function", activation));
  activation = activation.substr(activation.rfind('.') + 1);
  if (activation == "Tanh") {
    dense.activation = Activation::kTanh;
  } else if (activation == "GELU") {
    dense.activation = Activation::kGelu;
  } else if (activation != "Identity") {
    return config.Bad("activation_function",
                      "Identity, Tanh or GELU of torch.nn");
  }
  tower.head.push_back(std::move(dense));
  return absl::OkStatus();
}

}  // namespace diptych::inference
