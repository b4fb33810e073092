#include "common/concurrency/periodic_task.h"

#include "common/testing/fake_clock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

TEST(PeriodicTaskTest, RunsOncePerIntervalAfterItHasReturned) {
  FakeClock clock;
  absl::Mutex mutex;
  int runs = 0;
  {
    PeriodicTask task(clock, absl::Seconds(10), [&] {
      absl::MutexLock lock(&mutex);
      ++runs;
    });
    for (int i = 1; i <= 3; ++i) {
      clock.AwaitWaiters(1);
      clock.Advance(absl::Seconds(9));
      {
        absl::MutexLock lock(&mutex);
        EXPECT_EQ(runs, i - 1);
      }
      clock.Advance(absl::Seconds(1));
      absl::MutexLock lock(&mutex);
      const auto ran = [&runs, i] { return runs == i; };
      mutex.Await(absl::Condition(&ran));
    }
  }
  EXPECT_EQ(runs, 3);
}

TEST(PeriodicTaskTest, EndsAtOnceAndNeverRunsWithoutAnInterval) {
  FakeClock clock;
  PeriodicTask(clock, absl::Hours(1), [] { ADD_FAILURE(); });
  PeriodicTask(clock, absl::InfiniteDuration(), [] { ADD_FAILURE(); });
}

}  // namespace
}  // namespace diptych
