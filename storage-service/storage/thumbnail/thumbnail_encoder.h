// A small JPEG of a picture.
//
// Operation: the header is read and held against the limits before anything is
// decoded. JPEG, PNG and WebP (not animated) are decoded, a JPEG and a WebP at
// a smaller size where that is enough. What people see is what they get: an
// EXIF orientation is applied, what is transparent lies on white, 16 bits
// become 8, grey and CMYK become colours. The picture is shrunk by averaging,
// never enlarged. The decoders of the inference service are others: their task
// is to give the very pixels that models were trained with.
// Concurrency: may be called from any thread, in parallel.
// Limits: ThumbnailLimits, and kJpegScansMax of jpeg_codec.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

struct ThumbnailLimits {
  // Width and height of a thumbnail, in pixels.
  static constexpr int kPixelsMin = 16;
  static constexpr int kPixelsMax = 1024;

  size_t image_bytes_max = size_t{32} << 20;
  // Width x height of the picture.
  int64_t image_pixels_max = 50'000'000;
};

// A JPEG at most `pixels` wide and high. INVALID_ARGUMENT: `image` is of
// another format, malformed, truncated, or over `limits`.
absl::StatusOr<std::string> MakeThumbnail(absl::string_view image, int pixels,
                                          const ThumbnailLimits& limits);

}  // namespace diptych::storage
