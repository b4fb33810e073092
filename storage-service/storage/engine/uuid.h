// Identifiers that nobody else makes.
//
// Concurrency: may be called from any thread.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace diptych::storage {

// A UUID of version 7 (RFC 9562, section 5.7) in its text form: milliseconds of
// `now`, then 74 random bits. Later ones sort behind earlier ones.
std::string MakeUuidV7(absl::Time now);

}  // namespace diptych::storage
