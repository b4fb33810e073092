#include "inference/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/memory/memory.h"
#include "absl/status/status.h"

namespace diptych::inference {

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(
    const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, "cannot be opened");
  struct stat information;
  if (fstat(descriptor, &information) != 0 || !S_ISREG(information.st_mode) ||
      information.st_size == 0) {
    close(descriptor);
    return absl::InvalidArgumentError(
        "is malformed: it is empty or not a file");
  }
  const auto size = static_cast<size_t>(information.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (address == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, "cannot be mapped into memory");
  }
  return absl::WrapUnique(new MappedFile(address, size));
}

MappedFile::~MappedFile() { munmap(address_, size_); }

}  // namespace diptych::inference
