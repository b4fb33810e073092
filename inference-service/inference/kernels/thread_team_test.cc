#include "inference/kernels/thread_team.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

TEST(ThreadTeamTest, EveryTaskRunsOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 5}) {
    const ThreadTeam team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (const int64_t count : {0, 1, 2, 100}) {
      std::vector<std::atomic<int>> runs(count);
      team.For(count, [&](int64_t task) { ++runs[task]; });
      for (const auto& each : runs) EXPECT_EQ(each, 1);
    }
  }
}

// Tasks that wait for each other end only when a thread runs each.
TEST(ThreadTeamTest, TasksRunBesideEachOther) {
  constexpr int kThreads = 3;
  const ThreadTeam team(kThreads);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> arrived = 0;
    absl::Notification all;
    team.For(kThreads, [&](int64_t) {
      if (++arrived == kThreads) all.Notify();
      all.WaitForNotification();
    });
    EXPECT_EQ(arrived, kThreads);
  }
}

TEST(ThreadTeamTest, ACallerDoesNotWaitForAHelperThatIsBusy) {
  const ThreadTeam team(2);
  absl::BlockingCounter begun(2);
  absl::Notification end;
  std::thread other([&] {
    team.For(2, [&](int64_t) {
      begun.DecrementCount();
      end.WaitForNotification();
    });
  });
  begun.Wait();
  int64_t sum = 0;
  team.For(10, [&](int64_t task) { sum += task; });
  EXPECT_EQ(sum, 45);
  end.Notify();
  other.join();
}

TEST(ThreadTeamTest, CallersShareTheHelpers) {
  const ThreadTeam team(3);
  std::atomic<int64_t> sum = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < 50; ++call) {
        team.For(20, [&](int64_t task) { sum += task; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 50 * 190);
}

TEST(ThreadTeamTest, LittleWorkIsTheCallingThreadsAlone) {
  const ThreadTeam team(2);
  const auto threads_for = [&](int64_t operations) {
    return ThreadsFor(operations, team).threads();
  };
  EXPECT_EQ(threads_for(ThreadTeam::kLeastOperations), 2);
  EXPECT_EQ(threads_for(ThreadTeam::kLeastOperations - 1), 1);
  EXPECT_FALSE(ThreadTeam(1).IsWorth(ThreadTeam::kLeastOperations));
}

}  // namespace
}  // namespace diptych::inference
