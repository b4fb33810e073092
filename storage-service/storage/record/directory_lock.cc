#include "storage/record/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::storage {

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Acquire(
    const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make the data directory ", directory.string(),
                     ": ", error.message()));
  }
  const std::string path = (directory / "LOCK").string();
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    char owner[32] = {};
    const ssize_t length = pread(file, owner, sizeof(owner) - 1, 0);
    close(file);
    if (code != EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot lock ", path, ": ", std::strerror(code)));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "another server has the data directory open; stop it or give another "
        "--data: ",
        directory.string(),
        length > 0 ? absl::StrCat(" is held by process ", owner) : ""));
  }
  const std::string process = absl::StrCat(getpid());
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, process.data(), process.size(), 0) < 0) {
    const int code = errno;
    close(file);
    return absl::FailedPreconditionError(
        absl::StrCat("cannot write ", path, ": ", std::strerror(code)));
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(file));
}

DirectoryLock::~DirectoryLock() { close(file_); }

}  // namespace diptych::storage
