// Encoder of every family on LibTorch, in float32: a text tower, an image tower
// or both.
//
// Operation: sorts texts by length, divides batches, runs the towers
// (towers.h). Concurrency: EncodeTexts and EncodeImages may be called from any
// thread, in parallel; each call uses up to `threads` threads of LibTorch.
// Limits: at most kRowsPerRun rows of pictures (patches), kImagesPerRun
// pictures or kTokensPerRun tokens are in work at once per call, but always one
// input; a larger batch is done in parts.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/model/device.h"
#include "inference/model/encoder.h"
#include "inference/model/model_description.h"

namespace diptych::inference {

constexpr int kImagesPerRun = 32;
constexpr int kRowsPerRun = 8192;
constexpr int kTokensPerRun = 4096;

struct TowerEncoderOptions {
  DeviceRequest device;
  // Threads of one computation on the CPU; 0 is one per core. This setting of
  // LibTorch is the process's: the last model loaded decides.
  int threads = 0;
};

// `info` says name, revision and fingerprint; the rest of it is filled in here.
//
// NOT_FOUND           a weight file is missing
// INVALID_ARGUMENT    a weight file is malformed; a tensor is missing, or has
//                     another shape or type, or a value that is not finite
// FAILED_PRECONDITION the device is not there
// INTERNAL            LibTorch failed
absl::StatusOr<std::unique_ptr<const Encoder>> LoadTowerEncoder(
    const ModelDescription& model, const TowerEncoderOptions& options,
    ModelInfo info);

}  // namespace diptych::inference
