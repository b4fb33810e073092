// JPEG through libjpeg: the only place that includes it.
//
// Operation: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK, with
// the accurate integer DCT and smooth chroma upsampling that Pillow uses. Data
// that ends early is an error, where libjpeg by itself would fill the rest with
// grey. Concurrency: may be called from any thread, in parallel. Limits: at
// most kJpegScansMax scans, because a small progressive file with thousands of
// scans takes minutes; pixels are the caller's to limit.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

constexpr int kJpegScansMax = 200;

// INVALID_ARGUMENT when `bytes` cannot be decoded to the end.
absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes);

}  // namespace diptych::inference
