// A tensor where it lies in a mapped file: its type, its shape and its bytes,
// whatever format the file has.
//
// Operation: made by the readers of a format (safetensors.h), which check that
// every element lies within `bytes`; read through Weights.
// Concurrency: a value type and free functions.
// Limits: valid while the file stays mapped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace diptych::inference {

struct TensorView {
  std::string name;
  // By the names of safetensors: F64, F32, F16, BF16, I64, I32, I16, I8, U8 or
  // BOOL. Little-endian, at any alignment.
  std::string type;
  // No side is negative.
  std::vector<int64_t> shape;
  // Distance of neighbours along each side, in elements; empty when the
  // elements lie row by row without gaps.
  std::vector<int64_t> strides;
  // From the first element on.
  absl::string_view bytes;
};

// Bytes of one element of a type named as above; 0 when it is not known.
int64_t ElementBytes(absl::string_view type);

// Elements of `shape` times `element_bytes`; none when that overflows.
std::optional<int64_t> BytesOfShape(absl::Span<const int64_t> shape,
                                    int64_t element_bytes);

// "[2,3]".
std::string ShapeText(absl::Span<const int64_t> shape);

// The elements, row by row, as float32; F64, F16 and BF16 are converted.
// INVALID_ARGUMENT when the type is another, or a value is not finite.
absl::StatusOr<std::vector<float>> FloatsOf(const TensorView& tensor);

}  // namespace diptych::inference
