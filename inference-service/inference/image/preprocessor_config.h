// preprocessor_config.json of Hugging Face's image processors for CLIP,
// Chinese-CLIP and SigLIP.
//
// Operation: reads the old keys ("size": 224, "feature_extractor_type") and the
// new ones ("size": {"shortest_edge": 224}, "image_processor_type"), and
// processor_config.json, where the newest files have them ("image_processor":
// {...}). What is not given has the defaults of the family's processor.
// Concurrency: a value type and free functions. Limits: sizes of 1 to
// kModelPixelsMax pixels.
#pragma once

#include <array>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/image/resample.h"

namespace diptych::inference {

// Where a crop begins that leaves an odd number of pixels.
enum class CropRounding {
  // Half a pixel less (Hugging Face).
  kDown,
  // At the even one of the two (torchvision).
  kHalfToEven,
};

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
  CropRounding crop_rounding = CropRounding::kDown;

  // A channel enters the tower as (value * rescale_factor - mean) / deviation.
  double rescale_factor = 1 / 255.0;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};
};

// CLIPImageProcessor's defaults, and so Chinese-CLIP's, for a model of
// `image_size` pixels.
PreprocessorConfig ClipDefaults(int image_size);

// SiglipImageProcessor's: both sides are resized, nothing is cropped, and
// channels enter the tower from -1 to 1.
PreprocessorConfig SiglipDefaults(int image_size);

// `defaults` holds for what is not given. INVALID_ARGUMENT when `json` is no
// object, names another kind of processor, has a value of the wrong type or
// range, or describes a processor whose result has no fixed size.
absl::StatusOr<PreprocessorConfig> ParsePreprocessorConfig(
    absl::string_view json, const PreprocessorConfig& defaults = {});

// The same for the "image_processor" of processor_config.json; `defaults` when
// it has none.
absl::StatusOr<PreprocessorConfig> ParseProcessorConfig(
    absl::string_view json, const PreprocessorConfig& defaults);

}  // namespace diptych::inference
