// A PNG without the chunks that do not change its pixels.
//
// Operation: keeps IHDR, PLTE, tRNS, IDAT and IEND. Colour profiles, texts and
// EXIF data are left out, because pixels are taken as stored and libpng writes
// a warning to standard error for every odd profile; compressed texts would be
// inflated for nothing. Format: RFC 2083, chapter 3.
// Concurrency: a free function without state.
// Limits: the result is no larger than the input.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace diptych::inference {

// `png` begins with PNG's signature. What follows a malformed chunk is kept as
// it is, for the decoder to refuse.
std::string KeepPixelChunks(absl::string_view png);

}  // namespace diptych::inference
