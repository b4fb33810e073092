// Where a tower gets its tensors from: the weights of one folder or of several,
// looked up in the ways that published files are written.
//
// Operation: WeightFolders joins the folders of a model (a
// sentence-transformers model has one per module); PrefixedTensors looks names
// up below a prefix, because the same model is published with and without one
// ("embeddings...", "bert.embeddings...").
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: those of inference/weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inference/weights/weights.h"

namespace diptych::inference {

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  virtual bool Contains(absl::string_view name) const = 0;

  // Tensor `name` as float32, row-major; other floats are converted.
  // INVALID_ARGUMENT when it is missing, has another shape or type, or holds a
  // value that is not finite.
  virtual absl::StatusOr<std::vector<float>> ReadFloats(
      absl::string_view name, absl::Span<const int64_t> shape) const = 0;
};

// Weight files of one folder.
struct WeightFiles {
  std::vector<std::string> paths;
  // Goes before the names of these files' tensors: "2_Dense/".
  std::string mount;
};

class WeightFolders final : public TensorSource {
 public:
  // The errors of Weights::Open.
  static absl::StatusOr<WeightFolders> Open(
      const std::vector<WeightFiles>& folders);

  bool Contains(absl::string_view name) const override;
  // A normalisation's "weight" and "bias" are also found as "gamma" and "beta",
  // as the oldest BERT files have them.
  absl::StatusOr<std::vector<float>> ReadFloats(
      absl::string_view name, absl::Span<const int64_t> shape) const override;

 private:
  struct Folder {
    std::string mount;
    Weights weights;
  };

  WeightFolders() = default;
  // The weights that have `name`, or its old spelling, and the name in there.
  std::pair<const Weights*, std::string> Find(absl::string_view name) const;

  std::vector<Folder> folders_;
};

// Names that `tensors` has with `prefix` mean those, all others themselves.
// Does not own `tensors`.
class PrefixedTensors final : public TensorSource {
 public:
  PrefixedTensors(const TensorSource& tensors, std::string prefix)
      : tensors_(tensors), prefix_(std::move(prefix)) {}

  // With the first of `prefixes` with which `tensors` has `name`, or with the
  // first of all when it has none.
  static PrefixedTensors Choose(const TensorSource& tensors,
                                const std::vector<std::string>& prefixes,
                                absl::string_view name);

  bool Contains(absl::string_view name) const override;
  absl::StatusOr<std::vector<float>> ReadFloats(
      absl::string_view name, absl::Span<const int64_t> shape) const override;

 private:
  const TensorSource& tensors_;
  const std::string prefix_;
};

}  // namespace diptych::inference
