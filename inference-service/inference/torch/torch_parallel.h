// LibTorch's threads, for the kernels.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "inference/kernels/parallel.h"

namespace diptych::inference {

// Operation: as many threads as at::set_num_threads says, of the pool that
// LibTorch's own operators use, so that both never compete for the cores. They
// are OpenMP's, so the source is compiled with OpenMP.
// Concurrency: as Parallel. Within a parallel region of LibTorch, the calling
// thread alone.
class TorchParallel final : public Parallel {
 public:
  int threads() const override;
  void For(int64_t count, absl::FunctionRef<void(int64_t)> task) const override;
};

}  // namespace diptych::inference
