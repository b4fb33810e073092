#include "inference/image/preprocessor_config.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using Json = nlohmann::json;

absl::Status Bad(absl::string_view key, absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat("preprocessor_config.json: \"",
                                                 key, "\" must be ", allowed));
}

// The value of `key`, or null when it is not there or null.
const Json* Find(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

absl::Status ReadBool(const Json& json, const char* key, bool& value) {
  const Json* found = Find(json, key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_boolean()) return Bad(key, "true or false");
  value = found->get<bool>();
  return absl::OkStatus();
}

absl::StatusOr<int> PixelsOf(const Json& value, absl::string_view key) {
  const int64_t pixels =
      value.is_number_integer() ? value.get<int64_t>() : int64_t{0};
  if (pixels < 1 || pixels > PreprocessorConfig::kModelPixelsMax) {
    return Bad(key, absl::StrCat("1 to ", PreprocessorConfig::kModelPixelsMax,
                                 " pixels"));
  }
  return static_cast<int>(pixels);
}

absl::Status ReadSides(const Json& size, absl::string_view key, int& width,
                       int& height) {
  const Json* given_width = Find(size, "width");
  const Json* given_height = Find(size, "height");
  if (given_width == nullptr || given_height == nullptr) {
    return Bad(key, "a number, or an object with \"height\" and \"width\"");
  }
  DIPTYCH_ASSIGN_OR_RETURN(width, PixelsOf(*given_width, key));
  DIPTYCH_ASSIGN_OR_RETURN(height, PixelsOf(*given_height, key));
  return absl::OkStatus();
}

absl::Status ReadSize(const Json& json, PreprocessorConfig& config) {
  const Json* size = Find(json, "size");
  if (size == nullptr) return absl::OkStatus();
  const Json* edge = size->is_object() ? Find(*size, "shortest_edge") : size;
  if (edge != nullptr) {
    DIPTYCH_ASSIGN_OR_RETURN(config.shortest_edge, PixelsOf(*edge, "size"));
    return absl::OkStatus();
  }
  config.shortest_edge = 0;
  return ReadSides(*size, "size", config.resized_width, config.resized_height);
}

absl::Status ReadCropSize(const Json& json, PreprocessorConfig& config) {
  const Json* size = Find(json, "crop_size");
  if (size == nullptr) return absl::OkStatus();
  if (size->is_object()) {
    return ReadSides(*size, "crop_size", config.crop_width, config.crop_height);
  }
  DIPTYCH_ASSIGN_OR_RETURN(config.crop_width, PixelsOf(*size, "crop_size"));
  config.crop_height = config.crop_width;
  return absl::OkStatus();
}

absl::Status ReadFilter(const Json& json, PreprocessorConfig& config) {
  const Json* resample = Find(json, "resample");
  if (resample == nullptr) return absl::OkStatus();
  const int64_t number =
      resample->is_number_integer() ? resample->get<int64_t>() : int64_t{-1};
  if (number < 0 || number > 5) {
    return Bad("resample", "0 to 5, a filter of Pillow");
  }
  config.filter = static_cast<ResampleFilter>(number);
  return absl::OkStatus();
}

absl::Status ReadChannels(const Json& json, const char* key,
                          std::array<double, 3>& values) {
  const Json* found = Find(json, key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_array() || found->size() != values.size()) {
    return Bad(key, "a list of 3 numbers");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(*found)[i].is_number()) return Bad(key, "a list of 3 numbers");
    values[i] = (*found)[i].get<double>();
  }
  return absl::OkStatus();
}

absl::Status ReadNormalisation(const Json& json, PreprocessorConfig& config) {
  bool rescale = true;
  bool normalize = true;
  DIPTYCH_RETURN_IF_ERROR(ReadBool(json, "do_rescale", rescale));
  DIPTYCH_RETURN_IF_ERROR(ReadBool(json, "do_normalize", normalize));
  if (const Json* factor = Find(json, "rescale_factor"); factor != nullptr) {
    if (!factor->is_number()) return Bad("rescale_factor", "a number");
    config.rescale_factor = factor->get<double>();
  }
  DIPTYCH_RETURN_IF_ERROR(ReadChannels(json, "image_mean", config.mean));
  DIPTYCH_RETURN_IF_ERROR(ReadChannels(json, "image_std", config.deviation));
  if (!rescale) config.rescale_factor = 1;
  if (!normalize) {
    config.mean = {0, 0, 0};
    config.deviation = {1, 1, 1};
  }
  for (const double deviation : config.deviation) {
    if (!(deviation > 0)) return Bad("image_std", "positive");
  }
  return absl::OkStatus();
}

constexpr const char* kProcessors[] = {"CLIP", "ChineseCLIP", "Siglip"};

absl::Status CheckProcessor(const Json& json) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const Json* type = Find(json, key);
    if (type == nullptr) continue;
    const std::string name = type->is_string() ? type->get<std::string>() : "";
    const bool known = std::any_of(
        std::begin(kProcessors), std::end(kProcessors),
        [&](const char* processor) {
          return name == absl::StrCat(processor, "ImageProcessor") ||
                 name == absl::StrCat(processor, "ImageProcessorFast") ||
                 name == absl::StrCat(processor, "FeatureExtractor");
        });
    if (!known) {
      return Bad(
          key, absl::StrCat(
                   "the ImageProcessor or FeatureExtractor of CLIP, "
                   "ChineseCLIP or Siglip; it is ",
                   type->dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PreprocessorConfig> ReadProcessor(
    const Json& json, const PreprocessorConfig& defaults) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        "preprocessor_config.json is not a JSON object");
  }
  DIPTYCH_RETURN_IF_ERROR(CheckProcessor(json));
  PreprocessorConfig config = defaults;
  DIPTYCH_RETURN_IF_ERROR(ReadBool(json, "do_resize", config.resize));
  DIPTYCH_RETURN_IF_ERROR(ReadBool(json, "do_center_crop", config.center_crop));
  DIPTYCH_RETURN_IF_ERROR(ReadSize(json, config));
  DIPTYCH_RETURN_IF_ERROR(ReadCropSize(json, config));
  DIPTYCH_RETURN_IF_ERROR(ReadFilter(json, config));
  DIPTYCH_RETURN_IF_ERROR(ReadNormalisation(json, config));
  if (!config.center_crop && (!config.resize || config.shortest_edge != 0)) {
    return Bad("do_center_crop",
               "true unless \"size\" gives both \"height\" and \"width\", "
               "because all pictures must have one size");
  }
  return config;
}

}  // namespace

PreprocessorConfig ClipDefaults(int image_size) {
  PreprocessorConfig config;
  config.shortest_edge = image_size;
  config.crop_width = config.crop_height = image_size;
  return config;
}

PreprocessorConfig SiglipDefaults(int image_size) {
  PreprocessorConfig config;
  config.shortest_edge = 0;
  config.resized_width = config.resized_height = image_size;
  config.center_crop = false;
  config.mean = {0.5, 0.5, 0.5};
  config.deviation = {0.5, 0.5, 0.5};
  return config;
}

absl::StatusOr<PreprocessorConfig> ParsePreprocessorConfig(
    absl::string_view text, const PreprocessorConfig& defaults) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  return ReadProcessor(json, defaults);
}

absl::StatusOr<PreprocessorConfig> ParseProcessorConfig(
    absl::string_view text, const PreprocessorConfig& defaults) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        "processor_config.json is not a JSON object");
  }
  const Json* processor = Find(json, "image_processor");
  if (processor == nullptr) return defaults;
  return ReadProcessor(*processor, defaults);
}

}  // namespace diptych::inference
