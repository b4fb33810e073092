#include "storage/service/vector_arithmetic.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;

TEST(VectorArithmeticTest, TheMeanIsTakenByElement) {
  EXPECT_THAT(MeanOf({{1, 2, 3}}), ElementsAre(1, 2, 3));
  EXPECT_THAT(MeanOf({{1, 0, -4}, {3, 0, 4}, {5, 3, 0}}), ElementsAre(3, 1, 0));
}

// The values of Weaviate's own formula, worked out by hand: 0.5 * force is the
// share of the target.
TEST(VectorArithmeticTest, MoveToGoesHalfTheForceTowardsTheTarget) {
  const FloatVector vector = {1, 2, -3}, target = {5, -2, 1};
  EXPECT_THAT(MoveTo(vector, target, 0), ElementsAre(1, 2, -3));
  EXPECT_THAT(MoveTo(vector, target, 0.5), ElementsAre(2, 1, -2));
  EXPECT_THAT(MoveTo(vector, target, 1), ElementsAre(3, 0, -1));
}

TEST(VectorArithmeticTest, MoveAwayAddsHalfTheForceTimesTheDifference) {
  const FloatVector vector = {1, 2, -3}, target = {5, -2, 1};
  EXPECT_THAT(MoveAway(vector, target, 0), ElementsAre(1, 2, -3));
  EXPECT_THAT(MoveAway(vector, target, 0.5), ElementsAre(0, 3, -4));
  EXPECT_THAT(MoveAway(vector, target, 1), ElementsAre(-1, 4, -5));
  // There is no upper bound.
  EXPECT_THAT(MoveAway(vector, target, 4), ElementsAre(-7, 10, -11));
}

TEST(VectorArithmeticTest, MovesKeepTheLengthThatComesOut) {
  EXPECT_THAT(MoveTo({1, 0}, {-1, 0}, 0.5), ElementsAre(0.5f, 0));
  EXPECT_THAT(MoveTo({1, 0}, {-1, 0}, 1), ElementsAre(0, 0));
}

TEST(VectorArithmeticTest, UnitVectorsKeepTheirDirection) {
  EXPECT_DOUBLE_EQ(LengthOf({3, 4}), 5);
  EXPECT_THAT(UnitVectorOf({3, 4}), ElementsAre(FloatEq(0.6f), FloatEq(0.8f)));
  // Far below what a float's square can hold.
  EXPECT_THAT(UnitVectorOf({0, 1e-30f}), ElementsAre(0, 1));
}

TEST(VectorArithmeticTest, AMixWeighsDirectionsNotLengths) {
  EXPECT_THAT(WeightedMix({{10, 0}, {0, 0.1f}}, {1, 1}),
              ElementsAre(FloatEq(0.5f), FloatEq(0.5f)));
  // (1 * (1, 0) + 0.5 * (0, 1) - 0.5 * (0.6, 0.8)) / 2.
  EXPECT_THAT(WeightedMix({{1, 0}, {0, 1}, {3, 4}}, {1, 0.5, -0.5}),
              ElementsAre(FloatEq(0.35f), FloatEq(0.05f)));
}

TEST(VectorArithmeticTest, AMixIsDividedByTheSumOfAbsoluteWeights) {
  EXPECT_THAT(WeightedMix({{1, 0}}, {7}), ElementsAre(1, 0));
  EXPECT_THAT(WeightedMix({{2, 0}}, {-7}), ElementsAre(-1, 0));
  EXPECT_THAT(WeightedMix({{1, 0}, {0, 1}}, {3, -1}),
              ElementsAre(0.75f, -0.25f));
  EXPECT_EQ(LengthOf(WeightedMix({{2, 1}, {4, 2}}, {1, -1})), 0);
}

TEST(VectorArithmeticTest, ARecommendationIsTwicePositiveMinusNegative) {
  EXPECT_THAT(RecommendationVector({{1, 2}, {3, 4}}, {}), ElementsAre(2, 3));
  EXPECT_THAT(RecommendationVector({{1, 2}, {3, 4}}, {{1, 1}, {0, 5}}),
              ElementsAre(FloatNear(3.5f, 1e-6f), FloatNear(3, 1e-6f)));
}

}  // namespace
}  // namespace diptych::storage
