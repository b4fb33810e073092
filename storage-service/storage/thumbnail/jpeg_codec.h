// JPEG through libjpeg: the only place of the storage service that includes it.
//
// Concurrency: functions that may be called from any thread, in parallel.
// Limits: pixels are the caller's to limit; at most kJpegScansMax scans,
// because a small progressive file with thousands of them takes minutes.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/thumbnail/picture.h"

namespace diptych::storage {

inline constexpr int kJpegScansMax = 200;

// Decoded at an eighth, a quarter or half of its size where its longer side is
// then still at least `pixels`. Grey and CMYK (taken as inverted, Adobe's way)
// become RGB. What is missing at the end is grey. INVALID_ARGUMENT: malformed.
absl::StatusOr<Picture> DecodeJpegSmall(absl::string_view bytes, int pixels);

// INTERNAL: libjpeg fails.
absl::StatusOr<std::string> EncodeJpeg(const Picture& picture);

}  // namespace diptych::storage
