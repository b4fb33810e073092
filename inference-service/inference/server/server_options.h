// The command line of inference-server.
//
// Concurrency: value types; parsed at the start of main.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/server_flags.h"
#include "inference/model/normalization.h"

namespace diptych::inference {

// One `--model NAME=DIR`.
struct ModelSource {
  std::string name;
  // Or IMAGE_DIR+TEXT_DIR.
  std::string directory;
};

struct InferenceServerOptions {
  ServerFlags server;
  // NAME=DIR each; the first is the default. Empty: the demo model.
  std::vector<std::string> models;
  // "auto", "cpu" or "cuda[:n]".
  std::string device = "auto";
  // "auto", "fp32", "bf16" or "int8".
  std::string precision = "auto";
  // Of the CPU stage and of computations on the CPU; 0: one per core.
  int threads = 0;
  int batch_max = 64;
  double batch_delay_milliseconds = 3;
  int queue_max = 1024;
  // Of the inputs that wait for one model.
  uint64_t queue_bytes_max = uint64_t{512} << 20;
  // Of the embeddings that are kept for what is sent again; 0: none.
  uint64_t cache_bytes = uint64_t{256} << 20;
  // Pictures are turned as their EXIF orientation says.
  bool exif_orientation = false;
  // "weaviate" leaves unnormalised what its container does; "none".
  std::string compat = "none";
  // Instead of serving: the directory to compare with published values, and the
  // folder of the pictures that these are about.
  std::string selftest;
  std::string selftest_images;

  InferenceServerOptions();

  // INVALID_ARGUMENT names every wrong flag.
  absl::Status Validate() const;

  // What `compat` means.
  Normalization normalization() const;

  // `models` taken apart, or the demo model. INVALID_ARGUMENT for a value that
  // is not NAME=DIR or a name used twice; NOT_FOUND when the demo model is
  // needed and is nowhere.
  absl::StatusOr<std::vector<ModelSource>> ModelSources() const;
};

// `options` must outlive `app`. The default device is what ENABLE_CUDA ("true"
// or "1", else the CPU) and CUDA_CORE (cuda:0) say, as for Weaviate's container
// multi2vec-clip, where they are set.
void AddInferenceServerFlags(CLI::App& app, InferenceServerOptions& options);

// The first that exists of $DIPTYCH_DEMO_MODEL, ../share/diptych/models/demo
// beside the program's folder (an installed program), and the folder in the
// source tree (a built one). NOT_FOUND when none does.
absl::StatusOr<std::string> FindDemoModel();

}  // namespace diptych::inference
