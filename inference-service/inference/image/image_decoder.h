// The bytes of an image file to pixels, as Pillow's
// Image.open(file).convert("RGB") gives them.
//
// Operation: reads the header and checks the limits, then decodes. As Pillow
// does: an EXIF orientation is not applied (a TIFF's is), alpha is dropped and
// not blended, a palette is looked up, grey is replicated, 16-bit grey is
// clipped to 255, 16-bit colour keeps its high byte, CMYK is converted naively
// and in a JPEG taken as inverted (Adobe's way). Of an animation the first
// frame is taken. All are equal to Pillow to the byte
// (docs/decisions/0010-image-decoding.md). Nothing is printed.
// Concurrency: may be called from any thread, in parallel.
// Limits: ImageLimits, checked before decoding; the first picture of a file
// with several.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

struct ImageLimits {
  size_t bytes_max = size_t{32} << 20;
  // width x height, read from the header before anything is decoded.
  int64_t pixels_max = 50'000'000;
};

struct DecodeOptions {
  // Turn the picture as its EXIF orientation says, as Pillow's
  // ImageOps.exif_transpose does and Hugging Face's processors do not.
  bool exif_orientation = false;
};

// The picture in `bytes`. INVALID_ARGUMENT when they are no image of a
// supported format, are malformed or truncated, or exceed `limits`.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes,
                                  const ImageLimits& limits = {},
                                  const DecodeOptions& options = {});

}  // namespace diptych::inference
