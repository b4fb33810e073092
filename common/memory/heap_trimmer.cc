#include "common/memory/heap_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

namespace diptych {
namespace {

// Source: proc(5), /proc/pid/status.
size_t ResidentAnonymousBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    size_t kibibytes = 0;
    if (word == "RssAnon:" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

}  // namespace

HeapTrimmer::Heap HeapTrimmer::Heap::System() {
  return {&ResidentAnonymousBytes, [] { malloc_trim(0); }};
}

HeapTrimmer::HeapTrimmer(MetricsRegistry& metrics, Heap heap)
    : heap_(std::move(heap)),
      trimmed_bytes_(metrics.AddCounter(
          {"diptych_memory_trimmed_bytes_total",
           "Bytes of freed memory that were given back to the system"})) {}

void HeapTrimmer::TrimIfGrown() {
  const size_t resident = heap_.resident_bytes();
  const size_t growth = std::max(kGrowthBytesMin, resident_before_ / 16);
  if (resident < resident_before_ + growth) {
    resident_before_ = std::min(resident_before_, resident);
    return;
  }
  heap_.trim();
  resident_before_ = heap_.resident_bytes();
  if (resident_before_ < resident) {
    trimmed_bytes_.Increment(resident - resident_before_);
  }
}

}  // namespace diptych
