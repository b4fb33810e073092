#include "inference/pipeline/priority_executor.h"

#include <string>

#include "common/testing/manual_executor.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

TEST(PriorityExecutorTest, InteractiveOvertakesBulkWhichIsNotStarved) {
  ManualExecutor executor;
  PriorityExecutor lanes(executor);
  std::string ran;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(lanes.TrySchedule(Priority::kBulk, [&] { ran += 'b'; }));
  }
  for (int i = 0; i < 18; ++i) {
    ASSERT_TRUE(lanes.TrySchedule(Priority::kInteractive, [&] { ran += 'i'; }));
  }
  executor.RunAll();
  EXPECT_EQ(ran, "iiiiiiiibiiiiiiiibiib");
}

TEST(PriorityExecutorTest, RefusedTaskIsNotRun) {
  ManualExecutor executor(1);
  PriorityExecutor lanes(executor);
  std::string ran;
  EXPECT_TRUE(lanes.TrySchedule(Priority::kInteractive, [&] { ran += 'a'; }));
  EXPECT_FALSE(lanes.TrySchedule(Priority::kInteractive, [&] { ran += 'b'; }));
  executor.RunAll();
  EXPECT_EQ(ran, "a");
}

}  // namespace
}  // namespace diptych::inference
