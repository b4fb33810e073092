#include "storage/section_file/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/file_error/file_error.h"

namespace diptych::storage {
namespace {

absl::Status PathError(int error_number, absl::string_view doing,
                       const std::filesystem::path& path) {
  if (error_number == 0) return absl::OkStatus();
  return FileError(error_number, absl::StrCat(doing, " ", path.string()));
}

class SystemWritableFile final : public WritableFile {
 public:
  SystemWritableFile(int file, std::filesystem::path path)
      : file_(file), path_(std::move(path)) {}
  ~SystemWritableFile() override { close(file_); }
  SystemWritableFile(const SystemWritableFile&) = delete;
  SystemWritableFile& operator=(const SystemWritableFile&) = delete;

  absl::Status Append(absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return PathError(errno, "cannot write", path_);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    return PathError(fsync(file_) == 0 ? 0 : errno, "cannot sync", path_);
  }

 private:
  const int file_;
  const std::filesystem::path path_;
};

class SystemReadableFile final : public ReadableFile {
 public:
  SystemReadableFile(int file, uint64_t size, std::filesystem::path path)
      : file_(file), size_(size), path_(std::move(path)) {}
  ~SystemReadableFile() override { close(file_); }
  SystemReadableFile(const SystemReadableFile&) = delete;
  SystemReadableFile& operator=(const SystemReadableFile&) = delete;

  absl::Status Read(uint64_t offset, size_t size, char* buffer) const override {
    while (size > 0) {
      const ssize_t count =
          pread(file_, buffer, size, static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return PathError(errno, "cannot read", path_);
      if (count == 0) {
        return absl::DataLossError(
            absl::StrCat("the file ends early: ", path_.string()));
      }
      buffer += count;
      offset += static_cast<uint64_t>(count);
      size -= static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }
  uint64_t size() const override { return size_; }

 private:
  const int file_;
  const uint64_t size_;
  const std::filesystem::path path_;
};

class SystemFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::filesystem::path& path) override {
    const int file =
        open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0) return PathError(errno, "cannot make", path);
    return std::make_unique<SystemWritableFile>(file, path);
  }
  absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::filesystem::path& path) override {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return PathError(errno, "cannot open", path);
    struct stat information;
    if (fstat(file, &information) != 0) {
      const int error_number = errno;
      close(file);
      return PathError(error_number, "cannot open", path);
    }
    return std::make_unique<SystemReadableFile>(
        file, static_cast<uint64_t>(information.st_size), path);
  }
  absl::Status MakeDirectory(const std::filesystem::path& path) override {
    std::error_code error;
    std::filesystem::create_directory(path, error);
    return PathError(error.value(), "cannot make", path);
  }
  absl::Status Rename(const std::filesystem::path& from,
                      const std::filesystem::path& to) override {
    std::error_code error;
    std::filesystem::rename(from, to, error);
    return PathError(error.value(), "cannot rename", from);
  }
  absl::Status SyncDirectory(const std::filesystem::path& path) override {
    const int file = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return PathError(errno, "cannot sync", path);
    const int result = fsync(file) == 0 ? 0 : errno;
    close(file);
    return PathError(result, "cannot sync", path);
  }
  absl::Status Remove(const std::filesystem::path& path) override {
    std::error_code error;
    std::filesystem::remove(path, error);
    return PathError(error.value(), "cannot remove", path);
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::filesystem::path& directory) override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (const std::filesystem::directory_iterator end; !error && entry != end;
         entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return PathError(error.value(), "cannot list", directory);
    return names;
  }
};

}  // namespace

FileSystem& FileSystem::System() {
  static SystemFileSystem* const system = new SystemFileSystem;
  return *system;
}

}  // namespace diptych::storage
