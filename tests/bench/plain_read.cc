#include "tests/bench/plain_read.h"

namespace diptych {

uint64_t SumOfWords(const uint64_t* words, size_t count) {
  constexpr size_t kLanes = 32;
  uint64_t sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += words[i + lane];
  }
  for (; i < count; ++i) sums[0] += words[i];
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace diptych
