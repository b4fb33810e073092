// Weights in the safetensors format, one file or several.
//
// Operation: files are mapped into memory and their headers checked whole
// before anything is read: sizes against the file, every tensor's bytes against
// its type and shape, and that the tensors cover the data without holes or
// overlaps. Format (https://huggingface.co/docs/safetensors): 8 bytes N,
// little-endian; N bytes of JSON {"name": {"dtype", "shape", "data_offsets":
// [begin, end]}}; data. Concurrency: const methods may be called from any
// thread, in parallel. Limits: headers of kHeaderBytesMax. A file that is
// shortened while it is mapped ends the process (SIGBUS): replace model files,
// never rewrite them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace diptych::inference {

class Safetensors {
 public:
  static constexpr size_t kHeaderBytesMax = 100'000'000;

  // Opens `files`, which together hold the weights; a tensor may lie in any one
  // of them. NOT_FOUND when a file is missing, INVALID_ARGUMENT when one is
  // malformed or two hold the same tensor. Messages begin with the file's name.
  static absl::StatusOr<Safetensors> Open(
      const std::vector<std::string>& files);

  Safetensors(Safetensors&&) noexcept;
  Safetensors& operator=(Safetensors&&) noexcept;
  ~Safetensors();

  bool Contains(absl::string_view name) const;

  // Tensor `name` as float32, row-major; F32, F16 and BF16 are converted.
  // INVALID_ARGUMENT when it is missing, has another shape or type, or holds a
  // value that is not finite.
  absl::StatusOr<std::vector<float>> ReadFloats(
      absl::string_view name, absl::Span<const int64_t> shape) const;

 private:
  class MappedFile;
  struct Tensor {
    std::string type;
    std::vector<int64_t> shape;
    absl::string_view bytes;
  };

  Safetensors() = default;
  absl::Status AddFile(const std::string& path);

  std::vector<std::unique_ptr<MappedFile>> files_;
  absl::flat_hash_map<std::string, Tensor> tensors_;
};

// The shard files that model.safetensors.index.json names, sorted, without
// duplicates. INVALID_ARGUMENT when it is malformed, or a name is not that of a
// file beside it.
absl::StatusOr<std::vector<std::string>> ParseSafetensorsIndex(
    absl::string_view json);

}  // namespace diptych::inference
