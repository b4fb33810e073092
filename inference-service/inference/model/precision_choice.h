// Which precision a model is computed in on a CPU.
//
// Operation: a lower precision is faster, and how much it changes depends on
// the weights. So the model that was loaded embeds a small sample in float32
// and in the lower precision, and the cosines between the two say whether it
// will do.
// Concurrency: free functions. Limits: a start takes as long as loading and
// embedding the sample (precision_sample.h) twice or thrice.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inference/model/encoder.h"
#include "inference/model/precision_sample.h"
#include "inference/types/precision.h"

namespace diptych::inference {

// The least cosine to float32 with which a lower precision is chosen.
constexpr double kPrecisionCosineMin = 0.999;

// None is "auto".
using PrecisionRequest = std::optional<Precision>;

// "auto", "fp32", "bf16" or "int8"; INVALID_ARGUMENT otherwise. Whether the
// processor can is found out when a model is loaded.
absl::StatusOr<PrecisionRequest> ParsePrecision(absl::string_view text);

// Products of a precision on this processor.
struct PrecisionSpeed {
  Precision precision = Precision::kFloat32;
  // Operations per second, in 10^9.
  double giga_operations = 0;
};

using MakeEncoder =
    std::function<absl::StatusOr<std::unique_ptr<const Encoder>>(Precision)>;

struct PrecisionChoice {
  std::unique_ptr<const Encoder> encoder;
  Precision precision = Precision::kFloat32;
  // To float32, over the sample; 1 for float32 itself.
  double least_cosine = 1;
  // For the log: what was tried, and what came of it.
  std::string reason;
};

// With "auto" the fastest of `speeds` that is faster than float32 and reaches
// kPrecisionCosineMin, else float32; otherwise the one that is asked for,
// whatever its cosine. Only one encoder exists at a time, since weights may
// fill most of the memory. `speeds` are what the processor can, float32 among
// them.
//
// FAILED_PRECONDITION the processor cannot what is asked for
// and the errors of `make` and of encoding.
absl::StatusOr<PrecisionChoice> ChoosePrecision(
    PrecisionRequest request, absl::Span<const PrecisionSpeed> speeds,
    const PrecisionSample& sample, const MakeEncoder& make);

}  // namespace diptych::inference
