#include "storage/index/huge_pages.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdint>

namespace diptych::storage {
namespace {

#if defined(__linux__)
// Since Linux 6.1; the C library of Debian 12 does not name it yet. Older
// kernels answer EINVAL.
constexpr int kAdviceCollapse = 25;

void Advise(void* begin, size_t bytes, int advice) {
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first =
      (address + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const uintptr_t end = (address + bytes) / kHugePageBytes * kHugePageBytes;
  if (first >= end) return;
  // Refused: the pages stay small.
  (void)madvise(reinterpret_cast<void*>(first), end - first, advice);
}
#endif

}  // namespace

void PreferHugePages([[maybe_unused]] void* begin,
                     [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  Advise(begin, bytes, MADV_HUGEPAGE);
#endif
}

void MoveToHugePages([[maybe_unused]] void* begin,
                     [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  Advise(begin, bytes, MADV_HUGEPAGE);
  Advise(begin, bytes, kAdviceCollapse);
#endif
}

}  // namespace diptych::storage
