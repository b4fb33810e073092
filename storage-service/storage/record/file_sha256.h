// SHA-256 over files, which seals those of snapshots.
//
// Concurrency: pure functions.
#pragma once

#include <filesystem>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace diptych::storage {

// 32 bytes, over a whole file. `check` is asked now and then; its error ends
// the reading. NOT_FOUND, PERMISSION_DENIED, INTERNAL: the file cannot be read.
absl::StatusOr<std::string> Sha256OfFile(
    const std::filesystem::path& path, absl::FunctionRef<absl::Status()> check);

}  // namespace diptych::storage
