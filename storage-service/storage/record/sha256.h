// SHA-256 (FIPS 180-4), which names the contents of images.
//
// Concurrency: pure function.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace diptych::storage {

// 32 bytes.
std::string Sha256(absl::string_view bytes);

}  // namespace diptych::storage
