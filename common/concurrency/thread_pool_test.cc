#include "common/concurrency/thread_pool.h"

#include <atomic>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

TEST(ThreadPoolTest, RunsTasksInOrderOnOneThread) {
  std::vector<int> ran;
  ThreadPool pool({.name = "test", .threads = 1, .queue_max = 100});
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(pool.TrySchedule([&ran, i] { ran.push_back(i); }));
  }
  pool.Shutdown();
  ASSERT_EQ(ran.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ran[i], i);
}

TEST(ThreadPoolTest, RefusesWhatTheQueueCannotHold) {
  absl::Notification started, go;
  std::atomic<int> ran{0};
  ThreadPool pool({.threads = 1, .queue_max = 2});
  ASSERT_TRUE(pool.TrySchedule([&] {
    started.Notify();
    go.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.TrySchedule([&] { ++ran; }));
  EXPECT_TRUE(pool.TrySchedule([&] { ++ran; }));
  EXPECT_FALSE(pool.TrySchedule([&] { ++ran; }));
  EXPECT_EQ(pool.queue_depth(), 2);
  go.Notify();
  pool.Shutdown();
  EXPECT_EQ(ran, 2);
}

TEST(ThreadPoolTest, TasksRunInParallel) {
  absl::Notification first, second;
  ThreadPool pool({.threads = 2});
  ASSERT_TRUE(pool.TrySchedule([&] {
    first.Notify();
    second.WaitForNotification();
  }));
  ASSERT_TRUE(pool.TrySchedule([&] {
    first.WaitForNotification();
    second.Notify();
  }));
  pool.Shutdown();
}

TEST(ThreadPoolTest, RefusesAfterShutdown) {
  ThreadPool pool({.threads = 2});
  pool.Shutdown();
  pool.Shutdown();
  EXPECT_FALSE(pool.TrySchedule([] { FAIL(); }));
}

}  // namespace
}  // namespace diptych
