// TIFF through libtiff: the only place that includes it.
//
// Operation: the first directory as Pillow's convert("RGB") gives it, in strips
// or tiles, with every compression that libtiff reads: grey and palettes of 1,
// 2, 4 and 8 bits, 16-bit grey (clipped to 255), RGB of 8 and 16 bits (the high
// byte) with or without alpha (dropped; colours that were multiplied by it are
// divided again), 8-bit CMYK (converted naively), YCbCr inside JPEG. An
// orientation is not applied here. libtiff prints nothing.
// Concurrency: may be called from any thread, in parallel.
// Limits: pixels are the caller's to limit; kTiffSamplesMax samples per pixel.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

inline constexpr int kTiffSamplesMax = 6;

// INVALID_ARGUMENT when `bytes` cannot be decoded to the end, or are of a kind
// not named above.
absl::StatusOr<Image> DecodeTiff(absl::string_view bytes);

}  // namespace diptych::inference
