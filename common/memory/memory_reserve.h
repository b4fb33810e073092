// Memory that is kept for the moment in which there is no more.
//
// Operation: takes its bytes at the start, in blocks, and installs a
// std::new_handler. When operator new finds no memory, the handler gives one
// block back to the system and the allocation is tried again: nothing throws,
// and what was under way goes on. From then on exhausted() is true, so that the
// program takes on nothing that needs memory, until all blocks could be taken
// again. When a further allocation fails and no block is left, the handler
// writes one line to standard error and ends the process with
// kOutOfMemoryExitStatus.
//
// Concurrency: every method may be called from any thread; operator new may
// fail in any thread and under any lock. The handler takes no lock and no
// memory.
//
// Limits: one object at a time. An allocation larger than what is left of the
// reserve ends the process when the system refuses it. malloc() of C code does
// not come here. Where the system promises more memory than it has
// (vm.overcommit_memory 0 or 1, and limits of a cgroup), allocations do not
// fail and the kernel kills the process instead.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"

namespace diptych {

// EX_OSERR of sysexits.h.
inline constexpr int kOutOfMemoryExitStatus = 71;

class MemoryReserve {
 public:
  static constexpr size_t kBlocks = 16;
  // Between two tries to take what was given back.
  static constexpr absl::Duration kRetakeInterval = absl::Milliseconds(100);

  // `bytes` are rounded up to whole pages in every block. RESOURCE_EXHAUSTED:
  // the system does not give them. `clock` and `metrics` outlive the object.
  static absl::StatusOr<std::unique_ptr<MemoryReserve>> Install(
      size_t bytes, const Clock& clock, MetricsRegistry& metrics);
  // The handler that was installed before is installed again.
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // Whether blocks are missing. Tries to take them again, at most once in
  // kRetakeInterval.
  bool exhausted() ABSL_LOCKS_EXCLUDED(mutex_);

  // OK, or RESOURCE_EXHAUSTED with RetryInfo and the reason OUT_OF_MEMORY while
  // exhausted(): for calls that take memory in proportion to what they bring.
  absl::Status Admit() ABSL_LOCKS_EXCLUDED(mutex_);

  // Blocks given back since it was made.
  int64_t released() const { return released_; }

 private:
  MemoryReserve(size_t block_bytes, const Clock& clock,
                MetricsRegistry& metrics);

  static void OnAllocationFailure();
  // False: no block was left.
  bool ReleaseOne();
  bool TakeMissing();

  const size_t block_bytes_;
  const Clock& clock_;
  Counter& released_counter_;
  Counter& refused_counter_;
  Gauge& missing_gauge_;
  std::new_handler previous_ = nullptr;

  std::array<std::atomic<void*>, kBlocks> blocks_{};
  std::atomic<int64_t> released_{0};
  std::atomic<bool> missing_{false};

  absl::Mutex mutex_;
  absl::Time last_try_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace diptych
