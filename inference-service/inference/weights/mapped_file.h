// A file's bytes, read-only in memory.
//
// Operation: the file is mapped when opened and unmapped when destroyed.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: a file that is shortened while it is mapped ends the process
// (SIGBUS): replace model files, never rewrite them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

class MappedFile {
 public:
  // NOT_FOUND when there is no such file, INVALID_ARGUMENT when it is empty or
  // not a regular file, another code when the system refuses it.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(
      const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::string_view bytes() const {
    return {static_cast<const char*>(address_), size_};
  }

 private:
  MappedFile(void* address, size_t size) : address_(address), size_(size) {}

  void* const address_;
  const size_t size_;
};

}  // namespace diptych::inference
