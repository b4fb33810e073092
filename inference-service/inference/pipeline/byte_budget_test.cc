#include "inference/pipeline/byte_budget.h"

#include <string>

#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

class ByteBudgetTest : public ::testing::Test {
 protected:
  void Wait(size_t bytes, char name) {
    budget_.TakeWhenRoom(bytes, [this, name] { taken_ += name; });
  }

  MetricsRegistry metrics_;
  Gauge& gauge_ = metrics_.AddGauge({"diptych_test_bytes", "test"});
  ByteBudget budget_{100, gauge_};
  std::string taken_;
};

TEST_F(ByteBudgetTest, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(budget_.TryTake(60));
  EXPECT_FALSE(budget_.TryTake(41));
  EXPECT_TRUE(budget_.TryTake(40));
  EXPECT_EQ(gauge_.Value(), 100);
  budget_.Give(60);
  EXPECT_TRUE(budget_.TryTake(41));
}

TEST_F(ByteBudgetTest, WhatIsLargerThanAllIsLetInAlone) {
  EXPECT_TRUE(budget_.TryTake(500));
  EXPECT_FALSE(budget_.TryTake(1));
  budget_.Give(500);
  EXPECT_TRUE(budget_.TryTake(1));
  EXPECT_FALSE(budget_.TryTake(500));
}

TEST_F(ByteBudgetTest, WaitersAreServedInOrder) {
  EXPECT_TRUE(budget_.TryTake(90));
  Wait(50, 'a');
  Wait(5, 'b');
  Wait(60, 'c');
  EXPECT_EQ(taken_, "");
  // Small ones do not overtake: the large one would never come.
  EXPECT_FALSE(budget_.TryTake(5));
  budget_.Give(90);
  EXPECT_EQ(taken_, "ab");
  budget_.Give(50);
  EXPECT_EQ(taken_, "abc");
}

}  // namespace
}  // namespace diptych::inference
