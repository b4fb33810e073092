// A system without memory, on request: the process's own operator new.
//
// Operation: every operator new of the executable and of the C++ libraries it
// uses goes through here, and does what the standard asks for: when there is no
// memory it calls the std::new_handler and tries again, and without a handler
// it throws. The object that is alive says which allocations find no memory.
// LMDB, which takes its memory with malloc, can be made to say ENOMEM.
// Concurrency: allocations of all threads count.
// Limits: one object at a time. malloc() by C code is not counted.
#pragma once

#include <cstdint>
#include <memory>

namespace diptych {

class AllocationFaults {
 public:
  // Allocation number `first` from now on, from 1, finds no memory `count`
  // times; a retry by the handler's leave counts as one of them. Allocations
  // are only counted if `first` is 0.
  static std::unique_ptr<AllocationFaults> FailAllocations(int64_t first,
                                                           int64_t count);
  // Number `first` and all behind it, whatever the handler gives back.
  static std::unique_ptr<AllocationFaults> FailForEver(int64_t first);
  // Call number `first` of LMDB's functions that take memory, from 1, and all
  // behind it say ENOMEM. Counted only if it is 0.
  static std::unique_ptr<AllocationFaults> FailLmdb(int64_t first);
  // There is memory again.
  ~AllocationFaults();
  AllocationFaults(const AllocationFaults&) = delete;
  AllocationFaults& operator=(const AllocationFaults&) = delete;

  // Since it was made: allocations or calls of LMDB, and failures.
  int64_t calls() const;
  int64_t failed() const;

 private:
  AllocationFaults() = default;
};

}  // namespace diptych
