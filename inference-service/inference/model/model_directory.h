// A folder of a model as downloaded from the Hugging Face hub: which files are
// there, and the small ones' text.
//
// Operation: nothing is interpreted beyond finding the weights; no file outside
// the folder is read. Concurrency: a value type; const methods may be called
// from any thread. Limits: text files of kTextFileBytesMax.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

class ModelDirectory {
 public:
  static constexpr size_t kTextFileBytesMax = size_t{64} << 20;

  // NOT_FOUND when `path` is no directory.
  static absl::StatusOr<ModelDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }

  bool Has(absl::string_view file) const;
  std::string PathOf(absl::string_view file) const;

  // The text of a file; none when there is no such file. INVALID_ARGUMENT when
  // it is too large or cannot be read. Messages name the file.
  absl::StatusOr<std::optional<std::string>> Read(absl::string_view file) const;
  // The same, but NOT_FOUND when there is no such file.
  absl::StatusOr<std::string> ReadNeeded(absl::string_view file) const;

  // Paths of the weight files, at least one, sorted by name: model.safetensors,
  // else pytorch_model.bin, or the files that an index of these names.
  // NOT_FOUND when there are none; INVALID_ARGUMENT when the index is
  // malformed.
  absl::StatusOr<std::vector<std::string>> FindWeights() const;
  // The same for OpenCLIP's file names.
  absl::StatusOr<std::vector<std::string>> FindOpenClipWeights() const;

  // The folder `name` in this one, or this one for "". INVALID_ARGUMENT when
  // `name` leads outside, NOT_FOUND when it is not there.
  absl::StatusOr<ModelDirectory> Subdirectory(absl::string_view name) const;

  // The commit, when the directory is a snapshot in the hub's cache
  // (snapshots/<40 hexadecimal digits>), else "".
  std::string Revision() const;

 private:
  explicit ModelDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace diptych::inference
