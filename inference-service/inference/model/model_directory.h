// A model directory as downloaded from the Hugging Face hub: which files are
// there, and the small ones' text.
//
// Operation: nothing is interpreted beyond finding the weights, safetensors
// before pytorch_model.bin; no file outside the directory is read.
// Concurrency: a value type and a free function.
// Limits: text files of kTextFileBytesMax.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace diptych::inference {

struct ModelDirectory {
  static constexpr size_t kTextFileBytesMax = size_t{64} << 20;

  std::string path;
  // Text of the files; none when there is no such file.
  std::string config;
  std::optional<std::string> preprocessor_config;
  std::optional<std::string> tokenizer;  // tokenizer.json
  std::optional<std::string> tokenizer_config;
  std::optional<std::string> vocabulary;  // vocab.json
  std::optional<std::string> merges;      // merges.txt
  // Paths of the weight files, at least one, sorted by name.
  std::vector<std::string> weight_files;
  // The commit, when the directory is a snapshot in the hub's cache
  // (snapshots/<40 hexadecimal digits>), else "".
  std::string revision;
};

// NOT_FOUND when `path` is no directory or lacks config.json or weights;
// INVALID_ARGUMENT when a file is too large or the index of the weights is
// malformed. Messages name the file, not the directory.
absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& path);

}  // namespace diptych::inference
