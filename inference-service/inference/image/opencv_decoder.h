// PNG, WebP, BMP and TIFF through OpenCV: the only place that includes it.
//
// Operation: decodes the first picture; use DecodeImage, which checks limits.
// Concurrency: may be called from any thread, in parallel.
// Limits: the caller's.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/image/image_header.h"
#include "inference/types/image.h"

namespace diptych::inference {

// INVALID_ARGUMENT when `bytes` cannot be decoded to the end.
absl::StatusOr<Image> DecodeWithOpenCv(absl::string_view bytes,
                                       ImageFormat format);

}  // namespace diptych::inference
