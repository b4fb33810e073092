// BMP, read by our own code as Pillow does.
//
// Operation: headers of OS/2 1 (12 bytes) and Windows (40 to 124 bytes);
// palettes of 1, 4 and 8 bits, plain or run-length encoded; 16 bits (5-5-5 and
// 5-6-5), 24 and 32 bits; rows from bottom to top or from top to bottom. Alpha
// is dropped. Sources: Microsoft's "Bitmap Storage" and BITMAPV5HEADER; where
// these are silent, Pillow's BmpImagePlugin.py.
// Concurrency: a free function without state.
// Limits: reads no byte outside `bytes`; pixels are the caller's to limit.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

// INVALID_ARGUMENT when `bytes` end before the last pixel or are of another
// kind.
absl::StatusOr<Image> DecodeBmp(absl::string_view bytes);

}  // namespace diptych::inference
