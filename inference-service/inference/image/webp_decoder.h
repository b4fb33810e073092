// WebP through libwebp: the only place that includes it.
//
// Operation: lossy and lossless; alpha is dropped. Of an animation the first
// frame, at its place on a black canvas of the animation's size, as Pillow
// gives it: the background colour of the file is not used.
// Concurrency: may be called from any thread, in parallel.
// Limits: pixels are the caller's to limit.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

// INVALID_ARGUMENT when `bytes` cannot be decoded to the end.
absl::StatusOr<Image> DecodeWebp(absl::string_view bytes);

}  // namespace diptych::inference
