#include "storage/index/graph_walk.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(CandidatePoolTest, KeepsTheNearestInOrder) {
  std::mt19937 random(1);
  CandidatePool pool;
  for (const size_t ef : {1, 2, 7, 50}) {
    pool.Reset(ef);
    std::vector<float> offered;
    for (uint32_t row = 0; row < 300; ++row) {
      const auto distance = static_cast<float>(random() % 100'000);
      const bool fits = pool.Fits(distance);
      EXPECT_EQ(pool.Offer(distance, row), fits);
      offered.push_back(distance);
    }
    std::sort(offered.begin(), offered.end());
    const auto candidates = pool.candidates();
    ASSERT_EQ(candidates.size(), ef);
    for (size_t i = 0; i < ef; ++i) {
      EXPECT_EQ(candidates[i].distance, offered[i]);
    }
  }
}

TEST(CandidatePoolTest, GivesEveryRowOnceAndNearerLateComersFirst) {
  CandidatePool pool;
  pool.Reset(3);
  EXPECT_EQ(pool.TakeNearest(), nullptr);
  pool.Offer(5, 50);
  pool.Offer(7, 70);
  EXPECT_EQ(pool.TakeNearest()->row, 50u);
  pool.Offer(1, 10);
  EXPECT_EQ(pool.TakeNearest()->row, 10u);
  pool.Offer(2, 20);  // pushes 70 out
  EXPECT_EQ(pool.TakeNearest()->row, 20u);
  EXPECT_EQ(pool.TakeNearest(), nullptr);
}

TEST(CandidatePoolTest, BeyondTheLimitKeepsAndExpandsTheFloorAlone) {
  CandidatePool pool;
  pool.Reset(/*ef=*/4, /*floor=*/2, /*limit=*/3);
  EXPECT_TRUE(pool.Offer(9, 90));
  EXPECT_TRUE(pool.Offer(7, 70));
  EXPECT_FALSE(pool.Offer(9.5f, 95));  // not among the first two
  EXPECT_TRUE(pool.Offer(5, 50));
  EXPECT_EQ(pool.TakeNearest()->row, 50u);
  EXPECT_EQ(pool.TakeNearest()->row, 70u);
  EXPECT_EQ(pool.TakeNearest(), nullptr);  // 90 is the third
  // Within the limit there is room for all.
  EXPECT_TRUE(pool.Offer(3, 30));
  EXPECT_TRUE(pool.Offer(2, 20));
  EXPECT_TRUE(pool.Offer(1, 10));
  EXPECT_EQ(pool.TakeNearest()->row, 10u);
  EXPECT_EQ(pool.TakeNearest()->row, 20u);
  EXPECT_EQ(pool.TakeNearest()->row, 30u);
  EXPECT_EQ(pool.TakeNearest(), nullptr);
  EXPECT_TRUE(pool.full());
  EXPECT_FALSE(pool.Offer(5, 51));  // the fourth is as far
}

TEST(MetRowsTest, ForgetsEveryRowAtEveryReset) {
  MetRows met(2);
  met.Reset();
  EXPECT_TRUE(met.Meet(1));
  EXPECT_FALSE(met.Meet(1));
  // More walks than stamps there are.
  for (int walk = 0; walk < 70'000; ++walk) {
    met.Reset();
    ASSERT_TRUE(met.Meet(0)) << walk;
    ASSERT_FALSE(met.Meet(0)) << walk;
  }
  EXPECT_TRUE(met.Meet(1));
}

}  // namespace
}  // namespace diptych::storage
