// PNG through libpng: the only place that includes it.
//
// Operation: 1 to 16 bits, grey, palette and RGB with or without alpha,
// interlaced or not. Alpha is dropped, colour profiles and gamma are not
// applied. As Pillow's convert("RGB") does, 16-bit grey is clipped to 255 and
// 16-bit colour keeps its high byte. libpng's messages become the status; it
// prints nothing. Concurrency: may be called from any thread, in parallel.
// Limits: pixels are the caller's to limit.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/image.h"

namespace diptych::inference {

// INVALID_ARGUMENT when `bytes` cannot be decoded to the end.
absl::StatusOr<Image> DecodePng(absl::string_view bytes);

}  // namespace diptych::inference
