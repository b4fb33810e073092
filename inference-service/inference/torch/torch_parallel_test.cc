#include "inference/torch/torch_parallel.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

// Two tasks that wait for each other end only when two threads run them; the
// time that a failing run waits for is no part of a passing one.
TEST(TorchParallelTest, TasksRunBesideEachOther) {
  at::set_num_threads(2);
  const TorchParallel parallel;
  ASSERT_EQ(parallel.threads(), 2);
  std::atomic<int> waiting = 0;
  std::atomic<bool> met = false;
  parallel.For(2, [&](int64_t) {
    if (++waiting == 2) met = true;
    for (int turn = 0; turn < 20'000'000 && !met; ++turn) {
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(met);
}

TEST(TorchParallelTest, EveryTaskRunsOnce) {
  const TorchParallel parallel;
  for (const int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    std::vector<std::atomic<int>> runs(100);
    parallel.For(100, [&](int64_t task) { ++runs[task]; });
    for (const auto& count : runs) EXPECT_EQ(count, 1);
  }
}

TEST(TorchParallelTest, LittleWorkIsTheCallingThreadsAlone) {
  at::set_num_threads(2);
  const TorchParallel parallel;
  const auto threads_of = [&](int64_t operations) {
    return ThreadsFor(operations, parallel).threads();
  };
  EXPECT_EQ(threads_of(TorchParallel::kLeastOperations), 2);
  EXPECT_EQ(threads_of(TorchParallel::kLeastOperations - 1), 1);
}

}  // namespace
}  // namespace diptych::inference
