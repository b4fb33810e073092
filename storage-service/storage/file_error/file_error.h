// What a failed system call on a file means to a caller.
//
// Concurrency: a function without shared state.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// OK for 0, else what `error_number` (errno) means for `doing`, which names the
// path ("cannot open /data/LOCK"): RESOURCE_EXHAUSTED (reason STORE_FULL) where
// the disk or a quota is full or a file would become too large,
// PERMISSION_DENIED, NOT_FOUND, else INTERNAL.
absl::Status FileError(int error_number, absl::string_view doing);

}  // namespace diptych::storage
