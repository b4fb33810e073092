// Files that must be on the disk when a call returns.
//
// Concurrency: functions without shared state.
// Errors: those of file_error.h; the message names the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// fsync of a file or a directory.
absl::Status SyncPath(const std::filesystem::path& path);

// Makes a directory with all above it, and syncs those that it changed.
absl::Status MakeDirectory(const std::filesystem::path& directory);

// A new file, synced; the directory that holds it is not.
absl::Status WriteNewFile(const std::filesystem::path& path,
                          absl::string_view bytes);

// A whole file. DATA_LOSS: it is larger than `bytes_max`.
absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path,
                                          uint64_t bytes_max);

// Gives a file or a directory another name in the same file system, replacing a
// file of that name, and syncs the directories of both names.
absl::Status RenameDurably(const std::filesystem::path& from,
                           const std::filesystem::path& to);

// Removes a file or a directory with all it holds; OK when there is none.
absl::Status RemoveTree(const std::filesystem::path& path);

}  // namespace diptych::storage
