// LibTorch's threads, for the kernels.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "inference/kernels/parallel.h"

namespace diptych::inference {

// Operation: as many threads as at::set_num_threads says, of the pool that
// LibTorch's own operators use, so that both never compete for the cores. They
// are OpenMP's, so the source is compiled with OpenMP. Every call waits for all
// of them, also for one that has nothing to do and whose core another program
// has: a call should bring work of 0.1 ms, and IsWorth draws that line.
// Concurrency: as Parallel. Within a parallel region of LibTorch, the calling
// thread alone.
class TorchParallel final : public Parallel {
 public:
  // 0.1 ms of 8-bit products on one core, 0.3 ms of float32.
  static constexpr int64_t kLeastOperations = 50'000'000;

  int threads() const override;
  bool IsWorth(int64_t operations) const override {
    return operations >= kLeastOperations;
  }
  void For(int64_t count, absl::FunctionRef<void(int64_t)> task) const override;
};

}  // namespace diptych::inference
