#include "inference/model/config_reader.h"

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {

absl::StatusOr<ConfigReader> ConfigReader::Parse(absl::string_view text,
                                                 std::string file) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is not a JSON object"));
  }
  return ConfigReader(std::move(json), std::move(file));
}

const ConfigReader::Json* ConfigReader::Find(absl::string_view key) const {
  const auto it = json_.find(std::string(key));
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

absl::Status ConfigReader::Bad(absl::string_view key,
                               absl::string_view allowed) const {
  const Json* found = Find(key);
  const std::string given =
      found == nullptr
          ? "not given"
          : found->dump(-1, ' ', false, Json::error_handler_t::replace);
  return absl::InvalidArgumentError(absl::StrCat(
      file_, ": \"", key, "\" must be ", allowed, "; it is ", given));
}

absl::StatusOr<ConfigReader> ConfigReader::Object(absl::string_view key) const {
  const Json* found = Find(key);
  if (found == nullptr) return ConfigReader(Json::object(), file_);
  if (!found->is_object()) return Bad(key, "an object");
  return ConfigReader(*found, file_);
}

absl::Status ConfigReader::Integer(absl::string_view key, int64_t least,
                                   int64_t most, int& value) const {
  const Json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const int64_t given =
      found->is_number_integer() ? found->get<int64_t>() : least - 1;
  if (given < least || given > most) {
    return Bad(key, absl::StrCat("a number from ", least, " to ", most));
  }
  value = static_cast<int>(given);
  return absl::OkStatus();
}

absl::Status ConfigReader::Boolean(absl::string_view key, bool& value) const {
  const Json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_boolean()) return Bad(key, "true or false");
  value = found->get<bool>();
  return absl::OkStatus();
}

absl::Status ConfigReader::Text(absl::string_view key,
                                std::string& value) const {
  const Json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_string()) return Bad(key, "a text");
  value = found->get<std::string>();
  return absl::OkStatus();
}

absl::Status ConfigReader::Number(absl::string_view key, double least,
                                  double limit, double& value) const {
  const Json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const double given = found->is_number() ? found->get<double>() : limit;
  // Written so that NaN is out of range.
  if (!(given >= least && given < limit)) {
    return Bad(key, absl::StrCat("a number from ", least, " to below ", limit));
  }
  value = given;
  return absl::OkStatus();
}

absl::Status ConfigReader::ActivationName(absl::string_view key,
                                          Activation& value) const {
  std::string name;
  if (const Json* found = Find(key); found == nullptr) {
    return absl::OkStatus();
  } else if (found->is_string()) {
    name = found->get<std::string>();
  }
  if (name == "quick_gelu") {
    value = Activation::kQuickGelu;
  } else if (name == "gelu") {
    value = Activation::kGelu;
  } else if (name == "gelu_new" || name == "gelu_fast" ||
             name == "gelu_pytorch_tanh") {
    value = Activation::kGeluTanh;
  } else {
    return Bad(key, "quick_gelu, gelu or gelu_pytorch_tanh");
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const ConfigReader& reader, absl::string_view key,
                        const TransformerConfig& config) {
  if (config.heads > 0 && config.hidden_size % config.heads == 0) {
    return absl::OkStatus();
  }
  return reader.Bad(
      key, absl::StrCat("a divisor of the hidden size ", config.hidden_size));
}

absl::Status ReadTransformer(const ConfigReader& reader,
                             TransformerConfig& config,
                             const TransformerKeys& keys) {
  DIPTYCH_RETURN_IF_ERROR(
      reader.Integer(keys.hidden_size, 1, 16384, config.hidden_size));
  DIPTYCH_RETURN_IF_ERROR(reader.Integer(keys.intermediate_size, 1, 65536,
                                         config.intermediate_size));
  DIPTYCH_RETURN_IF_ERROR(reader.Integer(keys.layers, 1, 128, config.layers));
  DIPTYCH_RETURN_IF_ERROR(reader.Integer(keys.heads, 1, 256, config.heads));
  DIPTYCH_RETURN_IF_ERROR(CheckHeads(reader, keys.heads, config));
  DIPTYCH_RETURN_IF_ERROR(
      reader.Number("layer_norm_eps", 0, 1, config.layer_norm_epsilon));
  return reader.ActivationName(keys.activation, config.activation);
}

absl::Status ReadImageSizes(const ConfigReader& reader,
                            ImageTowerConfig& config) {
  int channels = 3;
  DIPTYCH_RETURN_IF_ERROR(
      reader.Integer("image_size", 1, 4096, config.image_size));
  DIPTYCH_RETURN_IF_ERROR(
      reader.Integer("patch_size", 1, config.image_size, config.patch_size));
  if (config.patch_size > config.image_size) {
    return reader.Bad("image_size", absl::StrCat("at least the patch size ",
                                                 config.patch_size));
  }
  return reader.Integer("num_channels", 3, 3, channels);
}

}  // namespace diptych::inference
