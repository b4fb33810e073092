#include "common/observability/logging.h"
#include "common/observability/metrics.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, SeriesAreExposedWithLabelsAndHelp) {
  MetricsRegistry registry;
  registry.AddCounter({"diptych_x_total", "Things"}, {{"code", "OK"}})
      .Increment(2);
  registry.AddCounter({"diptych_x_total", "Things"}, {{"code", "OK"}})
      .Increment();
  registry.AddGauge({"diptych_depth", "Waiting"}).Set(4);
  registry.AddHistogram({"diptych_size", "Sizes"}, SizeBuckets()).Observe(3);
  const std::string text = registry.TextExposition();
  EXPECT_THAT(text, HasSubstr("# HELP diptych_x_total Things"));
  EXPECT_THAT(text, HasSubstr("diptych_x_total{code=\"OK\"} 3"));
  EXPECT_THAT(text, HasSubstr("diptych_depth 4"));
  EXPECT_THAT(text, HasSubstr("diptych_size_bucket{le=\"4\"} 1"));
}

TEST(LoggingTest, LineIsOneJsonObject) {
  EXPECT_EQ(FormatLogLine("t", "info", "a \"b\"\n",
                          {{"text", "x"}, {"n", 3}, {"f", 0.5}, {"b", true}}),
            R"({"time":"t","level":"info","message":"a \"b\"\n",)"
            R"("text":"x","n":3,"f":0.5,"b":true})");
}

TEST(LoggingTest, UnknownLevelIsRefused) {
  EXPECT_THAT(SetLogLevel("loud"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loud")));
  EXPECT_THAT(SetLogLevel("info"), IsOk());
}

}  // namespace
}  // namespace diptych
