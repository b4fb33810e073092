#include "cli/import/interrupt_watcher.h"

#include <signal.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

TEST(InterruptWatcherTest, FirstSignalCallsTheHandler) {
  InterruptWatcher watcher;
  EXPECT_FALSE(watcher.interrupted());
  absl::Notification called;
  watcher.SetHandler([&called] { called.Notify(); });
  kill(getpid(), SIGINT);
  called.WaitForNotification();
  EXPECT_TRUE(watcher.interrupted());
}

TEST(InterruptWatcherTest, HandlerSetTooLateIsCalledAtOnce) {
  InterruptWatcher watcher;
  absl::Notification first;
  watcher.SetHandler([&first] { first.Notify(); });
  kill(getpid(), SIGINT);
  first.WaitForNotification();
  bool called = false;
  watcher.SetHandler([&called] { called = true; });
  EXPECT_TRUE(called);
}

TEST(InterruptWatcherTest, SecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        InterruptWatcher watcher;
        kill(getpid(), SIGINT);
        while (!watcher.interrupted()) {
        }
        kill(getpid(), SIGINT);
        pause();
      },
      ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace diptych::cli
