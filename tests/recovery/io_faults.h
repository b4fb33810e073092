// A disk that fails on request: the process's own system calls, taken over.
//
// Operation: open (for writing), write, writev, pwrite, fsync, fdatasync,
// msync, ftruncate, rename and mkdir of this executable and of the shared
// libraries that it uses go through here (the dynamic linker finds the
// executable's first). The object that is alive says which of them fail.
// Concurrency: calls of all threads count.
// Limits: one object at a time. Calls of the C library to itself do not come
// here.
#pragma once

#include <cstdint>
#include <memory>

namespace diptych {

class IoFaults {
 public:
  // The call number `first` from now on, from 1, and the `count` - 1 behind it
  // fail with `error_number`. Calls are counted if `first` is 0.
  static std::unique_ptr<IoFaults> FailCalls(int64_t first, int64_t count,
                                             int error_number);
  // A disk on which no file can grow. ENOSPC.
  static std::unique_ptr<IoFaults> FullDisk();
  // The disk is as it should be again.
  ~IoFaults();
  IoFaults(const IoFaults&) = delete;
  IoFaults& operator=(const IoFaults&) = delete;

  // Calls since it was made.
  int64_t calls() const;
  // And how many of them failed.
  int64_t failed() const;

 private:
  IoFaults() = default;
};

}  // namespace diptych
