#include "storage/engine/candidate_ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>

#include "common/status/status_macros.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"
#include "storage/record/memory_record_store.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAreArray;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr uint32_t kDimension = 8;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CandidateRankingTest : public ::testing::Test {
 protected:
  void Put(Slot slot, const std::vector<float>& vector) {
    ObjectRecord object;
    object.id = std::to_string(slot);
    object.vectors.push_back({0, kDimension, false});
    ASSERT_THAT(store_.RunWrite([&](WriteTransaction& transaction) {
      return PutObject(transaction, slot, object, {vector});
    }),
                IsOk());
  }
  void Damage(Slot slot) {
    ASSERT_THAT(store_.RunWrite([&](WriteTransaction& transaction) {
      return transaction.Put(Table::kVectors, VectorKey(slot, 0, 0), "broken");
    }),
                IsOk());
  }
  // At distance `distance` from a query of zeros under squared L2.
  void PutAt(Slot slot, float distance) {
    std::vector<float> vector(kDimension, 0.0f);
    vector[slot % kDimension] = std::sqrt(distance);
    Put(slot, vector);
  }
  CandidateRanking Ranking(size_t wanted) const {
    CandidateRanking ranking;
    ranking.metric = Metric::kSquaredL2;
    ranking.precision = VectorPrecision::kInt8;
    ranking.query = zeros_;
    ranking.wanted = wanted;
    return ranking;
  }
  absl::StatusOr<std::optional<std::vector<RankedSlot>>> Rank(
      const CandidateRanking& ranking,
      const std::vector<Neighbor>& candidates) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_.BeginRead());
    return RankCandidates(*read, ranking, candidates, SlotSet());
  }

  const std::vector<float> zeros_ = std::vector<float>(kDimension, 0.0f);
  MemoryRecordStore store_;
};

std::vector<Slot> NearestSlots(std::vector<RankedSlot> ranked, size_t count) {
  std::sort(ranked.begin(), ranked.end(),
            [](const RankedSlot& a, const RankedSlot& b) {
              return std::pair(a.distance, a.slot) <
                     std::pair(b.distance, b.slot);
            });
  ranked.resize(std::min(ranked.size(), count));
  std::vector<Slot> slots;
  for (const RankedSlot& member : ranked) slots.push_back(member.slot);
  return slots;
}

TEST_F(CandidateRankingTest, AnswersAsIfAllVectorsWereRead) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> vectors(200, std::vector<float>(kDimension));
  for (Slot slot = 0; slot < vectors.size(); ++slot) {
    for (float& component : vectors[slot]) component = normal(random);
    Put(slot, vectors[slot]);
  }
  for (const Metric metric :
       {Metric::kCosine, Metric::kSquaredL2, Metric::kInnerProduct}) {
    for (const float error_max : {0.01f, 0.3f, 5.0f}) {
      std::vector<float> query(kDimension);
      for (float& component : query) component = normal(random);
      std::vector<Neighbor> candidates;
      std::vector<RankedSlot> all;
      for (Slot slot = 0; slot < vectors.size(); ++slot) {
        const double distance = Distance(metric, query, vectors[slot]);
        const float error =
            error_max * std::uniform_real_distribution<float>()(random);
        const float off =
            error * std::uniform_real_distribution<float>(-1, 1)(random);
        candidates.push_back({slot, static_cast<float>(distance) + off, error});
        all.push_back({distance, slot});
      }
      std::sort(candidates.begin(), candidates.end());
      CandidateRanking ranking = Ranking(10);
      ranking.metric = metric;
      ranking.query = query;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto ranked,
                                   Rank(ranking, candidates));
      ASSERT_TRUE(ranked.has_value());
      EXPECT_THAT(NearestSlots(*ranked, 10),
                  ElementsAreArray(NearestSlots(all, 10)));
      if (error_max < 0.1f) {
        EXPECT_LT(ranked->size(), 20u);
      }
    }
  }
}

TEST_F(CandidateRankingTest, DoesNotReadWhatIsSurelyTooFar) {
  PutAt(1, 1);
  PutAt(2, 2);
  PutAt(3, 4);
  Damage(3);
  EXPECT_THAT(Rank(Ranking(2), {{1, 1, 0.5f}, {2, 2, 0.5f}, {3, 4, 1.5f}}),
              IsOkAndHolds(Optional(SizeIs(2))));
  // It may be the second.
  EXPECT_EQ(Rank(Ranking(2), {{1, 1, 0.5f}, {2, 2, 0.5f}, {3, 4, 2.5f}})
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(CandidateRankingTest, KeepsThoseAsFarAsTheLast) {
  PutAt(1, 1);
  PutAt(2, 4);
  PutAt(3, 4);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto ranked, Rank(Ranking(2), {{1, 1, 0}, {2, 4, 0}, {3, 4, 0}}));
  EXPECT_THAT(ranked, Optional(SizeIs(3)));
}

TEST_F(CandidateRankingTest, ReadsWhereTheIndexKnowsNothing) {
  PutAt(1, 1);
  PutAt(2, 4);
  CandidateRanking ranking = Ranking(1);
  const std::vector<Neighbor> unsure = {{1, 1, 0}, {2, 4, kInfinity}};
  EXPECT_THAT(Rank(ranking, unsure), IsOkAndHolds(Optional(SizeIs(2))));
  const std::vector<Neighbor> beyond = {{1, 1, 0}, {2, kInfinity, 0}};
  EXPECT_THAT(Rank(ranking, beyond), IsOkAndHolds(Optional(SizeIs(2))));
  ranking.metric = Metric::kInnerProduct;
  ranking.precision = VectorPrecision::kFloat32;
  EXPECT_THAT(Rank(ranking, {{1, 1, 0}, {2, 4, 0}}),
              IsOkAndHolds(Optional(SizeIs(2))));
}

TEST_F(CandidateRankingTest, SaysThatAnObjectIsGone) {
  PutAt(1, 1);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto ranked,
                               Rank(Ranking(2), {{1, 1, 0}, {2, 2, 0}}));
  EXPECT_FALSE(ranked.has_value());
}

TEST_F(CandidateRankingTest, HoldsTheGreatestDistance) {
  PutAt(1, 1);
  PutAt(2, 4);
  CandidateRanking ranking = Ranking(2);
  ranking.distance_max = 3;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto ranked,
                               Rank(ranking, {{1, 1, 1}, {2, 4, 2}}));
  ASSERT_THAT(ranked, Optional(SizeIs(1)));
  EXPECT_EQ((*ranked)[0].slot, 1u);
}

}  // namespace
}  // namespace diptych::storage
