// Encoder of every family: a text tower, an image tower or both.
//
// Operation: sorts texts by length, divides batches, runs the towers
// (towers.h). Concurrency: EncodeTexts and EncodeImages may be called from any
// thread, in parallel; each call uses up to `threads` threads of LibTorch.
// Limits: at most kRowsPerRun rows of pictures (patches), kImagesPerRun
// pictures or kTokensPerRun tokens are in work at once per call, but always one
// input; a larger batch is done in parts.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "inference/kernels/kernels.h"
#include "inference/model/device.h"
#include "inference/model/encoder.h"
#include "inference/model/model_description.h"
#include "inference/types/precision.h"

namespace diptych::inference {

constexpr int kImagesPerRun = 32;
constexpr int kRowsPerRun = 8192;
constexpr int kTokensPerRun = 4096;

struct TowerEncoderOptions {
  DeviceRequest device;
  // Threads of one computation on the CPU; 0 is one per core. With kernels, the
  // few of LibTorch's operators that are left run on the calling thread, so
  // that its threads and the kernels' do not compete for cores. That setting of
  // LibTorch is the process's: the last model loaded decides.
  int threads = 0;
  // None: float16 on a CUDA device, float32 on the CPU.
  std::optional<Precision> precision = {};
  // Of the kernels on the CPU.
  KernelLevel kernels = BestKernelLevel();
  // LibTorch's operators on the CPU too, as on a device; in float32.
  bool library_operators = false;
};

// Whether `request` means the CPU on this machine. FAILED_PRECONDITION when the
// device is not there.
absl::StatusOr<bool> MeansCpu(const DeviceRequest& request);

// `info` says name, revision and fingerprint; the rest of it is filled in here.
//
// NOT_FOUND           a weight file is missing
// INVALID_ARGUMENT    a weight file is malformed; a tensor is missing, or has
//                     another shape or type, or a value that is not finite
// FAILED_PRECONDITION the device is not there, or cannot compute in the
//                     precision
// INTERNAL            LibTorch failed
absl::StatusOr<std::unique_ptr<const Encoder>> LoadTowerEncoder(
    const ModelDescription& model, const TowerEncoderOptions& options,
    ModelInfo info);

}  // namespace diptych::inference
