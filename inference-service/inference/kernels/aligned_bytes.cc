#include "inference/kernels/aligned_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace diptych::inference {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  const size_t unit = size < kHugePage ? kCacheLine : kHugePage;
  // aligned_alloc wants whole units.
  const size_t whole = (size + unit - 1) / unit * unit;
  auto* const data =
      static_cast<uint8_t*>(std::aligned_alloc(unit, whole > 0 ? whole : unit));
  if (data == nullptr) throw std::bad_alloc();
  data_.reset(data);
#if defined(MADV_HUGEPAGE)
  // Advice: without it everything works, slower.
  if (unit == kHugePage) {
    madvise(data, whole, MADV_HUGEPAGE);
    // Memory that was used before has small pages, and would keep them.
    madvise(data, whole, MADV_DONTNEED);
  }
#endif
  std::memset(data, 0, size);
}

void AlignedBytes::Free::operator()(uint8_t* data) const { std::free(data); }

}  // namespace diptych::inference
