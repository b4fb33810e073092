#include "storage/record/durable_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/file_error/file_error.h"

namespace diptych::storage {

absl::Status SyncPath(const std::filesystem::path& path) {
  const std::string doing = absl::StrCat("cannot sync ", path.string());
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileError(errno, doing);
  const int result = fsync(file) == 0 ? 0 : errno;
  close(file);
  return FileError(result, doing);
}

absl::Status MakeDirectory(const std::filesystem::path& directory) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) return absl::OkStatus();
  const std::filesystem::path parent =
      std::filesystem::absolute(directory, error).parent_path();
  if (!error && parent != directory) {
    DIPTYCH_RETURN_IF_ERROR(MakeDirectory(parent));
  }
  if (!error) std::filesystem::create_directory(directory, error);
  DIPTYCH_RETURN_IF_ERROR(FileError(
      error.value(), absl::StrCat("cannot make ", directory.string())));
  return SyncPath(parent);
}

absl::Status WriteNewFile(const std::filesystem::path& path,
                          absl::string_view bytes) {
  const std::string doing = absl::StrCat("cannot write ", path.string());
  const int file =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (file < 0) return FileError(errno, doing);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, doing);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return FileError(fsync(file) == 0 ? 0 : errno, doing);
}

absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path,
                                          uint64_t bytes_max) {
  const std::string doing = absl::StrCat("cannot read ", path.string());
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileError(errno, doing);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  std::string bytes;
  char block[64 << 10];
  while (true) {
    const ssize_t count = read(file, block, sizeof(block));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, doing);
    if (count == 0) return bytes;
    bytes.append(block, static_cast<size_t>(count));
    if (bytes.size() > bytes_max) {
      return absl::DataLossError(absl::StrCat(
          path.string(), " is larger than such a file can be: ", bytes_max,
          " bytes at most"));
    }
  }
}

absl::Status RenameDurably(const std::filesystem::path& from,
                           const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  DIPTYCH_RETURN_IF_ERROR(FileError(
      error.value(),
      absl::StrCat("cannot rename ", from.string(), " to ", to.string())));
  DIPTYCH_RETURN_IF_ERROR(SyncPath(to.parent_path()));
  if (from.parent_path() == to.parent_path()) return absl::OkStatus();
  return SyncPath(from.parent_path());
}

absl::Status RemoveTree(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return FileError(error.value(),
                   absl::StrCat("cannot remove ", path.string()));
}

}  // namespace diptych::storage
