// A model from its directory as downloaded, ready to use.
//
// Operation: finds out what the directory holds (model/model_description.h),
// checks that the files fit together, and builds the parts.
// Concurrency: a free function; loading several models in parallel is fine.
// Limits: those of the parts.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "inference/model/device.h"
#include "inference/model/model.h"
#include "inference/model/normalization.h"
#include "inference/model/precision_choice.h"

namespace diptych::inference {

struct LoadModelOptions {
  // ModelInfo::name; the directory's name when empty.
  std::string name;
  DeviceRequest device;
  // Threads of one computation on the CPU; 0 is one per core. A setting of the
  // process: the last model loaded decides.
  int threads = 0;
  // None is "auto": float16 on a CUDA device; on the CPU the fastest that stays
  // close to float32 on these weights (model/precision_choice.h).
  PrecisionRequest precision = Precision::kFloat32;
  Normalization normalization = Normalization::kAll;
};

// `directories` is DIR, or IMAGE_DIR+TEXT_DIR for a pair of towers.
//
// NOT_FOUND           a directory or a file in it is missing
// INVALID_ARGUMENT    a file is malformed, of a kind that is not supported, or
//                     contradicts another
// FAILED_PRECONDITION the device is not there, or cannot compute in the
//                     precision
// INTERNAL            LibTorch failed
// What precision was chosen and why is logged; that one is asked for which
// changes embeddings more than "auto" would allow, as a warning.
// Every message is one line and names the directory and the file.
absl::StatusOr<Model> LoadModel(const std::string& directories,
                                const LoadModelOptions& options = {});

}  // namespace diptych::inference
