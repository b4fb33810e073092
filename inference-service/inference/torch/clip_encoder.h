// CLIP's text and image towers on LibTorch, in float32.
//
// Operation: Hugging Face's CLIPModel (modeling_clip.py) computed natively.
// Texts of a batch are sorted by length and laid out without padding, which
// attention being causal allows; what lies behind a text's pooled token is not
// computed. Concurrency: EncodeTexts and EncodeImages may be called from any
// thread, in parallel; each call uses up to `threads` threads of LibTorch.
// Limits: at most kImagesPerRun pictures or kTokensPerRun tokens are in work at
// once per call; a larger batch is done in parts.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/image/preprocessor_config.h"
#include "inference/model/clip_config.h"
#include "inference/model/device.h"
#include "inference/model/encoder.h"
#include "inference/weights/weights.h"

namespace diptych::inference {

constexpr int kImagesPerRun = 32;
constexpr int kTokensPerRun = 4096;

struct ClipEncoderOptions {
  DeviceRequest device;
  // Threads of one computation on the CPU; 0 is one per core. This setting of
  // LibTorch is the process's: the last model loaded decides.
  int threads = 0;
};

// `info` says name, revision and fingerprint; the rest of it is filled in here.
// `preprocessor` says how pixels become numbers.
//
// INVALID_ARGUMENT    a tensor is missing, or has another shape or type, or a
//                     value that is not finite
// FAILED_PRECONDITION the device is not there
// INTERNAL            LibTorch failed
absl::StatusOr<std::unique_ptr<const Encoder>> LoadClipEncoder(
    const ClipConfig& config, const PreprocessorConfig& preprocessor,
    const Weights& weights, const ClipEncoderOptions& options, ModelInfo info);

}  // namespace diptych::inference
