// The file operations of which derived files are made, as an interface, so that
// tests can make each of them fail.
//
// Concurrency: a FileSystem may be used from any thread; so may a ReadableFile.
// A WritableFile belongs to one thread.
// Errors: those of file_error.h; the message names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

class WritableFile {
 public:
  // Closes the file; what was not synced may be lost.
  virtual ~WritableFile() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // On OK what was appended is on the disk.
  virtual absl::Status Sync() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Fills `buffer` from `offset`. DATA_LOSS: the file ends before.
  virtual absl::Status Read(uint64_t offset, size_t size,
                            char* buffer) const = 0;
  // When it was opened.
  virtual uint64_t size() const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new file, or an old one emptied.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::filesystem::path& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::filesystem::path& path) = 0;
  // OK where it is there.
  virtual absl::Status MakeDirectory(const std::filesystem::path& path) = 0;
  // Replaces a file of the new name.
  virtual absl::Status Rename(const std::filesystem::path& from,
                              const std::filesystem::path& to) = 0;
  // On OK the names in it are on the disk.
  virtual absl::Status SyncDirectory(const std::filesystem::path& path) = 0;
  // OK where there is none.
  virtual absl::Status Remove(const std::filesystem::path& path) = 0;
  // Names, in no order; none where there is no such directory.
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::filesystem::path& directory) = 0;

  // The machine's. Lives for ever.
  static FileSystem& System();
};

}  // namespace diptych::storage
