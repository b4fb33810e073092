#include "inference/torch/torch_parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

// at::parallel_for is a template: without OpenMP here, it would be a loop.
#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "compile this source with OpenMP, as LibTorch was"
#endif

namespace diptych::inference {

int TorchParallel::threads() const {
  return at::in_parallel_region() ? 1 : at::get_num_threads();
}

void TorchParallel::For(int64_t count,
                        absl::FunctionRef<void(int64_t)> task) const {
  const int64_t workers = std::min<int64_t>(threads(), count);
  if (workers <= 1) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  // Whoever is free takes the next: other work may hold a core up.
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      for (int64_t i = next++; i < count; i = next++) task(i);
    }
  });
}

}  // namespace diptych::inference
