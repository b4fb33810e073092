#include "storage/record/file_sha256.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/status/status_macros.h"
#include "storage/file_error/file_error.h"

namespace diptych::storage {
namespace {

constexpr size_t kBlockBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::string> Sha256OfFile(
    const std::filesystem::path& path,
    absl::FunctionRef<absl::Status()> check) {
  const std::string doing = absl::StrCat("cannot read ", path.string());
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileError(errno, doing);
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  Sha256Hasher hasher;
  std::vector<char> block(kBlockBytes);
  while (true) {
    DIPTYCH_RETURN_IF_ERROR(check());
    const ssize_t count = read(file, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, doing);
    if (count == 0) break;
    hasher.Update(absl::string_view(block.data(), static_cast<size_t>(count)));
  }
  return hasher.Finish();
}

}  // namespace diptych::storage
