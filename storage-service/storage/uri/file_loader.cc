#include "storage/uri/file_loader.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/uri_loader.h"

namespace diptych::storage {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
// openat2 answers EAGAIN when something was renamed while ".." was resolved.
constexpr int kOpenAttemptsMax = 8;

absl::Status NotAllowed(absl::string_view message) {
  return WithReason(absl::PermissionDeniedError(message), kUriNotAllowed);
}

// nullopt: a bad escape, or a NUL.
std::optional<std::string> PercentDecode(absl::string_view text) {
  std::string decoded;
  const auto digit = [](char c) {
    return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
          !absl::ascii_isxdigit(text[i + 2])) {
        return std::nullopt;
      }
      c = static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

// The absolute path that a URI names.
absl::StatusOr<std::string> PathOf(absl::string_view uri) {
  absl::string_view rest = uri.substr(absl::string_view("file://").size());
  if (absl::StrContains(rest, '?') || absl::StrContains(rest, '#')) {
    return absl::InvalidArgumentError(
        "has a query or a fragment, which files do not have; write ? as %3F "
        "and # as %23");
  }
  absl::ConsumePrefix(&rest, "localhost");
  if (rest.empty() || rest[0] != '/') {
    return absl::InvalidArgumentError(
        "names a host; give a file of the server as file:///folder/file");
  }
  auto path = PercentDecode(rest);
  if (!path.has_value()) {
    return absl::InvalidArgumentError(
        "has a % that is not followed by two hexadecimal digits, or a zero "
        "byte; write % as %25");
  }
  return *std::move(path);
}

int OpenBeneath(int directory, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int file = -1;
  for (int attempt = 0; attempt < kOpenAttemptsMax; ++attempt) {
    file = static_cast<int>(
        syscall(SYS_openat2, directory, path, &how, sizeof(how)));
    if (file >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return file;
}

absl::Status OpenError(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return WithReason(absl::NotFoundError("names no file"), kUriNotFound);
    case EXDEV:
    case ELOOP:
      return NotAllowed(
          "leaves the folder that the operator allows; give a file below it");
    case EACCES:
    case EPERM:
      return WithReason(
          absl::FailedPreconditionError("names a file that the server's user "
                                        "may not read; change its permissions"),
          kUriRefused);
    case ENXIO:
    case ENODEV:
      return NotAllowed("names no regular file");
    default:
      return WithReason(
          WithRetryAfter(absl::UnavailableError(absl::StrCat(
                             "could not be opened: ", std::strerror(error))),
                         absl::Seconds(1)),
          kUriUnavailable);
  }
}

absl::StatusOr<std::string> ReadWhole(int file, size_t bytes_max) {
  std::string bytes;
  for (;;) {
    const size_t before = bytes.size();
    // One byte more than is allowed tells a file that is too large.
    bytes.resize(before + std::min(kReadBytes, bytes_max + 1 - before));
    const ssize_t got =
        read(file, bytes.data() + before, bytes.size() - before);
    if (got < 0 && errno == EINTR) {
      bytes.resize(before);
      continue;
    }
    if (got < 0) return OpenError(errno);
    bytes.resize(before + static_cast<size_t>(got));
    if (got == 0) return bytes;
    if (bytes.size() > bytes_max) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "names a file of more than ", bytes_max,
                            " bytes, which an image has at most")),
                        kUriTooLarge);
    }
  }
}

}  // namespace

FileLoader::FileLoader(std::string root, int directory, size_t bytes_max)
    : root_(std::move(root)), directory_(directory), bytes_max_(bytes_max) {}

FileLoader::~FileLoader() { close(directory_); }

absl::StatusOr<std::unique_ptr<FileLoader>> FileLoader::Open(
    const std::string& root, size_t bytes_max) {
  const std::string path =
      std::filesystem::path(root).lexically_normal().string();
  absl::string_view names = path;
  while (absl::ConsumePrefix(&names, "/")) {
  }
  while (absl::ConsumeSuffix(&names, "/")) {
  }
  const std::string trimmed = absl::StrCat("/", names);
  if (!absl::StartsWith(root, "/") || names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the folder of file URIs must be an absolute path, and "
                     "not the whole file system: ",
                     root));
  }
  const int directory = open(trimmed.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) {
    return absl::NotFoundError(
        absl::StrCat("the folder of file URIs cannot be opened: ", root, ": ",
                     std::strerror(errno)));
  }
  auto loader = std::unique_ptr<FileLoader>(
      new FileLoader(trimmed, directory, bytes_max));
  const int probe = OpenBeneath(directory, ".", O_PATH | O_CLOEXEC);
  if (probe < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "file URIs need openat2 of Linux 5.6 or newer, and this kernel or its "
        "sandbox does not have it; leave file URIs off: ",
        std::strerror(errno)));
  }
  close(probe);
  return loader;
}

absl::StatusOr<std::string> FileLoader::Load(absl::string_view uri) const {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string path, PathOf(uri));
  absl::string_view beneath = path;
  if (!absl::ConsumePrefix(&beneath, root_) ||
      !absl::ConsumePrefix(&beneath, "/")) {
    return NotAllowed(absl::StrCat(
        "is outside the folder that the operator allows, which is ", root_));
  }
  while (absl::ConsumePrefix(&beneath, "/")) {
  }
  if (beneath.empty()) return NotAllowed("names no regular file");
  // O_NONBLOCK: opening a FIFO or a device must not wait.
  const int file = OpenBeneath(directory_, std::string(beneath).c_str(),
                               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return OpenError(errno);
  const absl::Cleanup closer = [file] { close(file); };
  struct stat status;
  if (fstat(file, &status) != 0) return OpenError(errno);
  if (!S_ISREG(status.st_mode)) return NotAllowed("names no regular file");
  return ReadWhole(file, bytes_max_);
}

}  // namespace diptych::storage
