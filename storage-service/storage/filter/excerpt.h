// Texts given by a user, made fit for error messages.
//
// Concurrency: pure functions.
// Limits: none.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace diptych::storage {

// The text, or as many whole characters of its beginning as fit in 64 bytes and
// "...": messages travel in headers of limited size.
std::string Excerpt(absl::string_view text);

// The first byte that belongs to no UTF-8 character (RFC 3629), or the size.
size_t FindInvalidUtf8(absl::string_view text);

}  // namespace diptych::storage
