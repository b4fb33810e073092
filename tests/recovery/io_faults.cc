#include "tests/recovery/io_faults.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>

namespace {

std::atomic<int64_t> call_count{0}, failure_count{0};
std::atomic<int64_t> first_failing{0}, end_failing{0};
std::atomic<int> failing_error{0};
std::atomic<bool> armed{false}, full{false};

// Whether this call fails; sets errno.
bool Fails() {
  if (!armed) return false;
  const int64_t number = ++call_count;
  if (number < first_failing || number >= end_failing) return false;
  ++failure_count;
  errno = failing_error;
  return true;
}

// Whether a file that is written up to `end` would have to grow.
bool FailsForLackOfSpace(int file, off_t end) {
  if (!full) return false;
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) ||
      end <= status.st_size) {
    return false;
  }
  ++failure_count;
  errno = ENOSPC;
  return true;
}

template <typename Function>
Function* Real(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

extern "C" off_t lseek(int file, off_t offset, int whence) noexcept;
constexpr int kFromHere = 1;      // SEEK_CUR
constexpr int kWriting = 0b11;    // O_ACCMODE; 0 is O_RDONLY
constexpr int kMayCreate = 0100;  // O_CREAT

}  // namespace

// <fcntl.h> and <unistd.h> would declare some of them as inline functions.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & kMayCreate) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if ((flags & kWriting) != 0 && Fails()) return -1;
  static const auto real = Real(&open, "open");
  return real(path, flags, mode);
}

ssize_t write(int file, const void* bytes, size_t size) {
  // Where messages go is no disk.
  if (file > 2) {
    if (Fails()) return -1;
    if (full && FailsForLackOfSpace(file, lseek(file, 0, kFromHere) +
                                              static_cast<off_t>(size))) {
      return -1;
    }
  }
  static const auto real = Real(&write, "write");
  return real(file, bytes, size);
}

ssize_t writev(int file, const iovec* pieces, int count) {
  if (file > 2) {
    if (Fails()) return -1;
    off_t size = 0;
    for (int i = 0; i < count; ++i) {
      size += static_cast<off_t>(pieces[i].iov_len);
    }
    if (full && FailsForLackOfSpace(file, lseek(file, 0, kFromHere) + size)) {
      return -1;
    }
  }
  static const auto real = Real(&writev, "writev");
  return real(file, pieces, count);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  if (Fails()) return -1;
  if (FailsForLackOfSpace(file, offset + static_cast<off_t>(size))) return -1;
  static const auto real = Real(&pwrite, "pwrite");
  return real(file, bytes, size, offset);
}

int fsync(int file) {
  if (Fails()) return -1;
  static const auto real = Real(&fsync, "fsync");
  return real(file);
}

int fdatasync(int file) {
  if (Fails()) return -1;
  static const auto real = Real(&fdatasync, "fdatasync");
  return real(file);
}

int msync(void* address, size_t size, int flags) {
  if (Fails()) return -1;
  static const auto real = Real(&msync, "msync");
  return real(address, size, flags);
}

int ftruncate(int file, off_t size) noexcept {
  if (Fails()) return -1;
  if (FailsForLackOfSpace(file, size)) return -1;
  static const auto real = Real(&ftruncate, "ftruncate");
  return real(file, size);
}

int rename(const char* from, const char* to) noexcept {
  if (Fails()) return -1;
  static const auto real = Real(&rename, "rename");
  return real(from, to);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (Fails()) return -1;
  static const auto real = Real(&mkdir, "mkdir");
  return real(path, mode);
}

}  // extern "C"

namespace diptych {

std::unique_ptr<IoFaults> IoFaults::FailCalls(int64_t first, int64_t count,
                                              int error_number) {
  call_count = 0;
  failure_count = 0;
  first_failing = first;
  end_failing = first == 0 ? 0 : first + count;
  failing_error = error_number;
  armed = true;
  return std::unique_ptr<IoFaults>(new IoFaults);
}

std::unique_ptr<IoFaults> IoFaults::FullDisk() {
  failure_count = 0;
  full = true;
  return std::unique_ptr<IoFaults>(new IoFaults);
}

IoFaults::~IoFaults() {
  armed = false;
  full = false;
}

int64_t IoFaults::calls() const { return call_count; }
int64_t IoFaults::failed() const { return failure_count; }

}  // namespace diptych
