#include "storage/record/lmdb_file_format.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/file_error/file_error.h"

namespace diptych::storage {
namespace {

absl::Status Damaged(int number, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("meta page ", number, " is damaged: ", what));
}

absl::Status CheckMeta(int number, const LmdbPageHeader& header,
                       const LmdbMeta& meta, uint32_t page_bytes) {
  if (header.number != static_cast<uint64_t>(number) ||
      header.flags != kLmdbMetaPage) {
    return Damaged(number, "it is none");
  }
  if (meta.magic != kLmdbMagic) return Damaged(number, "no LMDB file");
  if (meta.version != kLmdbDataVersion) {
    return Damaged(number, absl::StrCat("of version ", meta.version));
  }
  if (meta.free_pages.pad != page_bytes) {
    return Damaged(number,
                   absl::StrCat("pages of ", meta.free_pages.pad,
                                " bytes, the other one's have ", page_bytes));
  }
  // Commits take turns.
  if (meta.transaction > 0 &&
      meta.transaction % 2 != static_cast<uint64_t>(number)) {
    return Damaged(number, "of a transaction that belongs to the other one");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LmdbFile> LmdbFile::Open(const std::filesystem::path& path,
                                        bool writable) {
  const std::string opening = absl::StrCat("cannot open ", path.string());
  const int file =
      open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT) return LmdbFile(-1, 0, path);
    return FileError(errno, opening);
  }
  LmdbFile opened(file, 0, path);
  struct stat status;
  if (fstat(file, &status) != 0) return FileError(errno, opening);
  opened.size_ = static_cast<uint64_t>(status.st_size);
  return opened;
}

LmdbFile::LmdbFile(LmdbFile&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      path_(std::move(other.path_)) {}

LmdbFile::~LmdbFile() {
  if (file_ >= 0) close(file_);
}

absl::Status LmdbFile::Read(uint64_t offset, size_t size, char* bytes) const {
  while (size > 0) {
    const ssize_t read = pread(file_, bytes, size, static_cast<off_t>(offset));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) {
      return FileError(errno, absl::StrCat("cannot read ", path_.string()));
    }
    if (read == 0) {
      return absl::DataLossError(
          absl::StrCat("the file ends at byte ", offset, ": ", path_.string()));
    }
    offset += static_cast<uint64_t>(read);
    bytes += read;
    size -= static_cast<size_t>(read);
  }
  return absl::OkStatus();
}

absl::Status LmdbFile::Write(uint64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return FileError(errno, absl::StrCat("cannot write ", path_.string()));
    }
    offset += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status LmdbFile::Sync() {
  if (fsync(file_) == 0) return absl::OkStatus();
  return FileError(errno, absl::StrCat("cannot sync ", path_.string()));
}

absl::StatusOr<std::array<LmdbMeta, 2>> LmdbFile::ReadMetas() const {
  std::array<LmdbMeta, 2> metas;
  std::array<LmdbPageHeader, 2> headers;
  const auto read = [&](size_t number, uint64_t offset) -> absl::Status {
    char bytes[sizeof(LmdbPageHeader) + sizeof(LmdbMeta)];
    DIPTYCH_RETURN_IF_ERROR(Read(offset, sizeof(bytes), bytes));
    std::memcpy(&headers[number], bytes, sizeof(LmdbPageHeader));
    std::memcpy(&metas[number], bytes + sizeof(LmdbPageHeader),
                sizeof(LmdbMeta));
    return absl::OkStatus();
  };
  DIPTYCH_RETURN_IF_ERROR(read(0, 0));
  const uint32_t page_bytes = metas[0].free_pages.pad;
  if (page_bytes < 256 || page_bytes > 65536 ||
      (page_bytes & (page_bytes - 1)) != 0) {
    return Damaged(0, absl::StrCat("pages of ", page_bytes, " bytes"));
  }
  DIPTYCH_RETURN_IF_ERROR(read(1, page_bytes));
  for (size_t number = 0; number < 2; ++number) {
    DIPTYCH_RETURN_IF_ERROR(CheckMeta(static_cast<int>(number), headers[number],
                                      metas[number], page_bytes));
  }
  const uint64_t first = metas[0].transaction, second = metas[1].transaction;
  if ((first != 0 || second != 0) && first + 1 != second &&
      second + 1 != first) {
    return absl::DataLossError(
        absl::StrCat("the meta pages are damaged: of the transactions ", first,
                     " and ", second, ", which do not follow each other"));
  }
  return metas;
}

}  // namespace diptych::storage
