// Regular expressions of filters.
//
// Concurrency: pure function; a compiled pattern may be used by any number of
// threads.
// Limits: kPatternBytesMax, kPatternMemoryBytesMax.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// Of one regular expression: its text, and RE2's budget for program and caches.
inline constexpr size_t kPatternBytesMax = 4096;
inline constexpr int64_t kPatternMemoryBytesMax = 4 << 20;

// INVALID_ARGUMENT, with a message that is a field's description: too long, too
// large once compiled, or no RE2 syntax.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompilePattern(
    absl::string_view pattern);

}  // namespace diptych::storage
