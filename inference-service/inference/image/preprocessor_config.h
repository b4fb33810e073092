// preprocessor_config.json of Hugging Face's CLIPImageProcessor.
//
// Operation: reads the old keys ("size": 224, "feature_extractor_type") and the
// new ones ("size": {"shortest_edge": 224}, "image_processor_type"). What is
// not given has CLIPImageProcessor's defaults. Concurrency: a value type and a
// free function. Limits: sizes of 1 to kModelPixelsMax pixels.
#pragma once

#include <array>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/image/resample.h"

namespace diptych::inference {

struct PreprocessorConfig {
  static constexpr int kModelPixelsMax = 4096;

  bool resize = true;
  // The shorter side after resizing, in pixels; 0 when both sides are given.
  int shortest_edge = 224;
  // Both sides after resizing, whatever the picture's shape; 0 when the
  // shortest edge is given.
  int resized_width = 0;
  int resized_height = 0;
  ResampleFilter filter = ResampleFilter::kBicubic;

  bool center_crop = true;
  int crop_width = 224;
  int crop_height = 224;

  // A channel enters the tower as (value * rescale_factor - mean) / deviation.
  double rescale_factor = 1 / 255.0;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};
};

// INVALID_ARGUMENT when `json` is no object, names another kind of processor,
// has a value of the wrong type or range, or describes a processor whose result
// has no fixed size.
absl::StatusOr<PreprocessorConfig> ParsePreprocessorConfig(
    absl::string_view json);

}  // namespace diptych::inference
