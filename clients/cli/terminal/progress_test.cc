#include "cli/terminal/progress.h"

#include <sstream>

#include "common/testing/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressTest, RemainingTimeHasTwoUnits) {
  EXPECT_EQ(FormatRemaining(absl::Seconds(58)), "58s");
  EXPECT_EQ(FormatRemaining(absl::Seconds(103)), "1m43s");
  EXPECT_EQ(FormatRemaining(absl::Minutes(125)), "2h05m");
  EXPECT_EQ(FormatRemaining(absl::Hours(76)), "3d04h");
}

TEST(ProgressTest, LineNamesCountRateRemainingAndSkipped) {
  const std::string line = FormatProgress(
      "importing", {.done = 50, .total = 200, .skipped = 3, .note = ""}, 10.0,
      100);
  EXPECT_THAT(line, HasSubstr("importing  50/200  25% [====="));
  EXPECT_THAT(line, EndsWith("10.0/s  15s left  3 skipped"));
}

TEST(ProgressTest, NarrowTerminalGetsNoBar) {
  EXPECT_EQ(
      FormatProgress("importing",
                     {.done = 1, .total = 2, .skipped = 0, .note = ""}, 0, 30),
      "importing  1/2  50%");
}

TEST(ProgressTest, EmptyWorkIsComplete) {
  EXPECT_THAT(FormatProgress("importing", {}, 0, 0), HasSubstr("100%"));
}

TEST(ProgressTest, TerminalLineIsDrawnOverAndNotTooOften) {
  FakeClock clock;
  std::ostringstream out;
  Progress progress({.verb = "importing", .terminal = true}, out, clock);
  progress.Update({.done = 0, .total = 10, .skipped = 0, .note = ""});
  progress.Update({.done = 1, .total = 10, .skipped = 0, .note = ""});
  EXPECT_THAT(out.str(), Not(HasSubstr("1/10")));
  clock.Advance(absl::Seconds(2));
  progress.Update({.done = 4, .total = 10, .skipped = 0, .note = ""});
  EXPECT_THAT(out.str(), HasSubstr("\rimporting  4/10  40%"));
  EXPECT_THAT(out.str(), HasSubstr("2.0/s  3s left"));
  progress.Finish({.done = 10, .total = 10, .skipped = 0, .note = ""});
  EXPECT_THAT(out.str(), EndsWith("\x1b[K\n"));
}

TEST(ProgressTest, LogGetsALineNowAndThenWithoutControlCharacters) {
  FakeClock clock;
  std::ostringstream out;
  Progress progress({.verb = "importing", .terminal = false}, out, clock);
  progress.Update({.done = 0, .total = 10, .skipped = 0, .note = ""});
  clock.Advance(absl::Seconds(9));
  progress.Update({.done = 5, .total = 10, .skipped = 0, .note = ""});
  EXPECT_EQ(out.str(), "");
  clock.Advance(absl::Seconds(1));
  progress.Update({.done = 5, .total = 10, .skipped = 0, .note = ""});
  progress.Finish({.done = 10, .total = 10, .skipped = 0, .note = ""});
  EXPECT_EQ(out.str(), "importing  5/10  50%  0.5/s  10s left\n");
}

}  // namespace
}  // namespace diptych::cli
