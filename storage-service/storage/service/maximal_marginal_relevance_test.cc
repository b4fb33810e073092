#include "storage/service/maximal_marginal_relevance.h"

#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Points on a line, asked for from 0.
std::vector<size_t> Pick(const std::vector<float>& points, double lambda,
                         size_t count) {
  const float origin = 0;
  std::vector<MarginalRelevanceCandidate> candidates;
  for (const float& point : points) {
    const absl::Span<const float> vector(&point, 1);
    candidates.push_back(
        {Distance(Metric::kSquaredL2, vector, absl::MakeSpan(&origin, 1)),
         vector});
  }
  auto picked =
      PickByMarginalRelevance(candidates, {Metric::kSquaredL2, lambda, count},
                              [] { return absl::OkStatus(); });
  EXPECT_TRUE(picked.ok()) << picked.status();
  return *picked;
}

TEST(MaximalMarginalRelevanceTest, LambdaOneKeepsTheOrderOfNearness) {
  EXPECT_THAT(Pick({1, 2, 3, 4}, 1, 3), ElementsAre(0, 1, 2));
}

TEST(MaximalMarginalRelevanceTest, LambdaZeroTakesWhatIsFarthestFromThePicked) {
  // From 1: 9 is farthest. Then the distances to the nearer of 1 and 9 are
  // 0.01, 16 and 9.
  EXPECT_THAT(Pick({1, 1.1f, 5, 6, 9}, 0, 4), ElementsAre(0, 4, 2, 3));
}

TEST(MaximalMarginalRelevanceTest, BetweenThemBothCount) {
  // With lambda 0.5, after 1 (halved below): 1.1 gives 0.01 - 1.21, -2 gives
  // 9 - 4, 3 gives 4 - 9. Then 1.1 gives 0.01 - 1.21, 3 gives 4 - 9.
  EXPECT_THAT(Pick({1, 1.1f, -2, 3}, 0.5, 4), ElementsAre(0, 2, 1, 3));
  // With lambda 0.9: 0.1 * 0.01 - 0.9 * 1.21 = -1.088, against -2.7 and -7.7.
  EXPECT_THAT(Pick({1, 1.1f, -2, 3}, 0.9, 3), ElementsAre(0, 1, 2));
}

TEST(MaximalMarginalRelevanceTest, OfEqualsTheNearestIsPicked) {
  EXPECT_THAT(Pick({1, 1, 1}, 0, 3), ElementsAre(0, 1, 2));
}

TEST(MaximalMarginalRelevanceTest, ThereMayBeFewerCandidatesThanWanted) {
  EXPECT_THAT(Pick({1, 2}, 0.5, 10), ElementsAre(0, 1));
  EXPECT_THAT(Pick({}, 0.5, 10), IsEmpty());
  EXPECT_THAT(Pick({1, 2}, 0.5, 0), IsEmpty());
}

TEST(MaximalMarginalRelevanceTest, EndsWhenToldTo) {
  const std::vector<float> point = {1};
  const std::vector<MarginalRelevanceCandidate> candidates(
      5, MarginalRelevanceCandidate{1, point});
  int asked = 0;
  EXPECT_THAT(PickByMarginalRelevance(candidates, {Metric::kCosine, 0.5, 5},
                                      [&asked] {
                                        return ++asked == 3
                                                   ? absl::CancelledError()
                                                   : absl::OkStatus();
                                      }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace diptych::storage
