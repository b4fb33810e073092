// The safetensors format.
//
// Operation: the header is checked whole before anything is read: sizes against
// the file, every tensor's bytes against its type and shape, and that the
// tensors cover the data without holes or overlaps. Format
// (https://huggingface.co/docs/safetensors): 8 bytes N, little-endian; N bytes
// of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}}; data.
// Concurrency: a free function.
// Limits: headers of kSafetensorsHeaderBytesMax.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/weights/tensor_view.h"

namespace diptych::inference {

inline constexpr size_t kSafetensorsHeaderBytesMax = 100'000'000;

// The tensors of a file of these `bytes`, which the views point into, in no
// order. INVALID_ARGUMENT when it is malformed.
absl::StatusOr<std::vector<TensorView>> ParseSafetensors(
    absl::string_view bytes);

}  // namespace diptych::inference
