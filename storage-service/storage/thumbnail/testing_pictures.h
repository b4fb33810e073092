// Pictures for the tests of thumbnails.
//
// Concurrency: free functions without state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace diptych::storage {

// A PNG whose every pixel is `pixel`: 3 or 4 values are RGB or RGBA.
std::string PngOf(int width, int height, const std::vector<uint8_t>& pixel);

// The committed picture whose file's name holds `part`.
std::string CommittedPicture(absl::string_view part);

}  // namespace diptych::storage
