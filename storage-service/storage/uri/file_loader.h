// Loads file:// URIs from below one folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// Operation: the path of the URI is the path on this machine, as in
// file:///srv/photos/a%20b.jpg; it must begin with the folder. The rest is
// opened with openat2(2) and RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS: the
// kernel refuses whatever leaves the folder by "..", by an absolute symbolic
// link or by a link of /proc, also when names change meanwhile. Symbolic links
// that stay below the folder are followed. Only regular files are read; others
// are never waited for.
// Concurrency: may be called from any thread; blocks on the disk.
// Limits: files of `bytes_max` bytes, counted while reading.
// Errors: reasons of uri_loader.h; INVALID_ARGUMENT for what is no file URI (a
// host other than localhost, a query, a fragment, a bad escape, a NUL).
class FileLoader {
 public:
  // `root` is an absolute path of a folder; symbolic links in it are followed
  // now. INVALID_ARGUMENT: it is no such path, or the whole file system;
  // NOT_FOUND: it is not there; FAILED_PRECONDITION: the kernel has no openat2
  // (Linux before 5.6, or a sandbox that forbids it).
  static absl::StatusOr<std::unique_ptr<FileLoader>> Open(
      const std::string& root, size_t bytes_max);
  ~FileLoader();
  FileLoader(const FileLoader&) = delete;
  FileLoader& operator=(const FileLoader&) = delete;

  absl::StatusOr<std::string> Load(absl::string_view uri) const;

 private:
  FileLoader(std::string root, int directory, size_t bytes_max);

  const std::string root_;  // as the operator wrote it, without "/" at its end
  const int directory_;     // owned
  const size_t bytes_max_;
};

}  // namespace diptych::storage
