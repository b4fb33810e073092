#include "common/observability/measured_executor.h"

#include "common/testing/fake_clock.h"
#include "common/testing/manual_executor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

TEST(MeasuredExecutorTest, WhatWaitsRunsAndIsRefusedIsCounted) {
  FakeClock clock;
  MetricsRegistry metrics;
  ManualExecutor manual(2);
  MeasuredExecutor executor("reads", manual, clock, metrics);
  int ran = 0;
  EXPECT_TRUE(executor.TrySchedule([&ran] { ++ran; }));
  EXPECT_TRUE(executor.TrySchedule([&ran] { ++ran; }));
  EXPECT_FALSE(executor.TrySchedule([&ran] { ++ran; }));
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_queue_tasks{queue=\"reads\"} 2"));
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_queue_refused_total{queue=\"reads\"} 1"));
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(manual.RunAll(), 2u);
  EXPECT_EQ(ran, 2);
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_queue_tasks{queue=\"reads\"} 0"));
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_queue_wait_seconds_sum{queue=\"reads\"} 6"));
}

}  // namespace
}  // namespace diptych
