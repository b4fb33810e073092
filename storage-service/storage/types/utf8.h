// Whether bytes are UTF-8.
//
// Concurrency: pure function.
#pragma once

#include "absl/strings/string_view.h"

namespace diptych::storage {

// As RFC 3629 defines it: no surrogates, no overlong forms, nothing beyond
// U+10FFFF. NUL is a character like any other.
bool IsValidUtf8(absl::string_view bytes);

}  // namespace diptych::storage
