// Keeps a second server out of a data directory.
#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"

namespace diptych::storage {

// Operation: an exclusive flock(2) on DIRECTORY/LOCK, held as long as the
// object lives. The kernel releases it when the process dies; the file stays
// and holds the process's id for people to read.
// Concurrency: none needed.
// Limits: file systems without flock (old NFS) cannot be used.
class DirectoryLock {
 public:
  // Makes the directory if need be. FAILED_PRECONDITION: another server has it;
  // the message says which process.
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Acquire(
      const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  const int file_;
};

}  // namespace diptych::storage
