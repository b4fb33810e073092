// A model's weights by name, from one file or several, whatever their format.
//
// Operation: files are mapped into memory and checked whole before anything is
// read from them. Formats: safetensors (safetensors.h), and what torch.save
// writes (pytorch_file.h), told apart by their first bytes.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: those of the formats; see also mapped_file.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inference/weights/mapped_file.h"
#include "inference/weights/tensor_view.h"

namespace diptych::inference {

class Weights {
 public:
  // Opens `files`, which together hold the weights; a tensor may lie in any one
  // of them. NOT_FOUND when a file is missing, INVALID_ARGUMENT when one is
  // malformed or two hold the same tensor. Messages begin with the file's name.
  static absl::StatusOr<Weights> Open(const std::vector<std::string>& files);

  bool Contains(absl::string_view name) const;

  // Tensor `name`, or null; valid as long as this object.
  const TensorView* Find(absl::string_view name) const;

  // Names of all tensors, sorted.
  std::vector<std::string> Names() const;

  // Tensor `name` as float32, row-major; F64, F16 and BF16 are converted.
  // INVALID_ARGUMENT when it is missing, has another shape or type, or holds a
  // value that is not finite.
  absl::StatusOr<std::vector<float>> ReadFloats(
      absl::string_view name, absl::Span<const int64_t> shape) const;

 private:
  Weights() = default;
  absl::Status AddFile(const std::string& path);

  std::vector<std::unique_ptr<MappedFile>> files_;
  absl::flat_hash_map<std::string, TensorView> tensors_;
};

// The weight files that the JSON of an index (`file`, e.g.
// model.safetensors.index.json) names, sorted, without duplicates.
// INVALID_ARGUMENT when it is malformed, or a name is not that of a file beside
// it.
absl::StatusOr<std::vector<std::string>> ParseWeightsIndex(
    absl::string_view file, absl::string_view json);

}  // namespace diptych::inference
