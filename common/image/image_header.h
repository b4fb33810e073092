// What kind of picture some bytes are and how large it is, read from the header
// alone, so that limits hold before anything is decoded.
//
// Operation: our own parsing of the few bytes that matter. Sources: ITU-T T.81
// annex B (JPEG), RFC 2083 (PNG), RFC 9649 (WebP), the GIF89a, BMP and TIFF 6.0
// specifications.
// Concurrency: free functions without state.
// Limits: reads no byte outside `bytes`; a JPEG's or TIFF's header may lie
// anywhere in them.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych {

enum class ImageFormat { kJpeg, kPng, kWebp, kBmp, kTiff, kGif };

// "JPEG", "PNG" and so on.
absl::string_view ImageFormatName(ImageFormat format);

struct ImageHeader {
  ImageFormat format;
  // Pixels, both at least 1. Not turned by an EXIF orientation.
  int64_t width = 0;
  int64_t height = 0;
};

// The header of `bytes`. INVALID_ARGUMENT when they are of no known format, or
// end or break off before the size is said.
absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view bytes);

}  // namespace diptych
