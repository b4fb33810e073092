// GIF through giflib: the only place that includes it.
//
// Operation: the first frame as Pillow's convert("RGB") gives it. The frame's
// own palette is used, else the file's, else grey. Transparent pixels have the
// colour that the palette gives them, and so has what the frame does not cover:
// that of the transparent index, or of index 0 without one. A frame that
// reaches beyond the screen makes the picture larger. What is to happen after
// the first frame (its disposal, its duration) changes nothing.
// Concurrency: may be called from any thread, in parallel.
// Limits: pixels are the caller's to limit.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

// INVALID_ARGUMENT when the first frame in `bytes` cannot be decoded to its
// end.
absl::StatusOr<Image> DecodeGif(absl::string_view bytes);

}  // namespace diptych::inference
