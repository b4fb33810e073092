#include "storage/service/rank_fusion.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

auto Scored(const char* id, double score) {
  return AllOf(Field(&ScoredId::id, id),
               Field(&ScoredId::score, DoubleEq(score)));
}

TEST(RankFusionTest, ReciprocalRanksAddUpFromRankZero) {
  const WeightedRanking first = {{{"a", -0.1}, {"b", -0.2}, {"c", -0.9}}, 1};
  const WeightedRanking second = {{{"c", 5}, {"a", 4}}, 1};
  EXPECT_THAT(
      FuseRankings({first, second}, FusionMethod::kReciprocalRank),
      ElementsAre(Scored("a", 1.0 / 60 + 1.0 / 61),
                  Scored("c", 1.0 / 62 + 1.0 / 60), Scored("b", 1.0 / 61)));
}

TEST(RankFusionTest, WeightsScaleWhatARankingGives) {
  const WeightedRanking first = {{{"a", 1}, {"b", 0}}, 1};
  const WeightedRanking second = {{{"b", 1}, {"a", 0}}, 3};
  EXPECT_THAT(FuseRankings({first, second}, FusionMethod::kReciprocalRank),
              ElementsAre(Scored("b", 1.0 / 61 + 3.0 / 60),
                          Scored("a", 1.0 / 60 + 3.0 / 61)));
  EXPECT_THAT(FuseRankings({first, second}, FusionMethod::kRelativeScore),
              ElementsAre(Scored("b", 3), Scored("a", 1)));
}

TEST(RankFusionTest, RelativeScoresAreSpreadOverEachRankingsRange) {
  // Minus distances, and scores of quite another size.
  const WeightedRanking first = {{{"a", -0.25}, {"b", -0.5}, {"c", -1.25}}, 1};
  const WeightedRanking second = {{{"c", 900}, {"b", 500}, {"d", 100}}, 0.5};
  EXPECT_THAT(FuseRankings({first, second}, FusionMethod::kRelativeScore),
              ElementsAre(Scored("a", 1), Scored("b", 0.75 + 0.25),
                          Scored("c", 0.5), Scored("d", 0)));
}

TEST(RankFusionTest, EqualScoresWithinARankingGiveTheWeight) {
  EXPECT_THAT(FuseRankings({{{{"a", -1}, {"b", -1}}, 2}, {{{"c", 7}}, 3}},
                           FusionMethod::kRelativeScore),
              ElementsAre(Scored("c", 3), Scored("a", 2), Scored("b", 2)));
}

TEST(RankFusionTest, EqualSumsAreRankedById) {
  const std::vector<ScoredId> fused =
      FuseRankings({{{{"b", 1}}, 1}, {{{"a", 1}}, 1}, {{}, 5}},
                   FusionMethod::kReciprocalRank);
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_EQ(fused[0].id, "a");
  EXPECT_THAT(FuseRankings({}, FusionMethod::kRelativeScore), IsEmpty());
}

}  // namespace
}  // namespace diptych::storage
