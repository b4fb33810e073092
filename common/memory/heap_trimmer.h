// Gives memory that was freed back to the system.
//
// Operation: glibc keeps what is freed between other allocations, page by page,
// for later allocations, and after a burst of imports that is as much as all
// that is in use. Trim() has it give whole free pages back (malloc_trim).
// Looking for them takes locks of the heap, so it is only done when resident
// memory has grown since the last time, by kGrowthBytesMin at least.
//
// Concurrency: one thread at a time. Other threads may allocate meanwhile; some
// wait until the part of the heap that they use has been looked through.
//
// Limits: knows only the C library's heap.
#pragma once

#include <cstddef>
#include <functional>

#include "common/observability/metrics.h"

namespace diptych {

class HeapTrimmer {
 public:
  static constexpr size_t kGrowthBytesMin = size_t{8} << 20;

  // What it looks at and does; tests give others.
  struct Heap {
    // Of this process: resident anonymous memory in bytes; 0 if not known.
    std::function<size_t()> resident_bytes;
    std::function<void()> trim;
    static Heap System();
  };

  explicit HeapTrimmer(MetricsRegistry& metrics, Heap heap = Heap::System());

  // Trims the heap if resident memory is kGrowthBytesMin, and a sixteenth,
  // above the least of what it was after the last trimming and in the calls
  // since.
  void TrimIfGrown();

 private:
  const Heap heap_;
  Counter& trimmed_bytes_;
  size_t resident_before_ = 0;
};

}  // namespace diptych
