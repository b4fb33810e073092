#include "storage/index/possible_neighbors.h"

#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PossibleNeighborsTest, KeepsWhatMayBeAmongTheNearest) {
  PossibleNeighbors possible(2);
  possible.Offer({1, 1.0f, 0.1f});
  possible.Offer({2, 2.0f, 0.1f});
  possible.Offer({3, 2.15f, 0.1f});  // 2.05 <= 2.1
  possible.Offer({4, 2.3f, 0.1f});   // 2.2 > 2.1
  possible.Offer({5, 9.0f, 8.0f});
  EXPECT_THAT(
      std::move(possible).Take(std::nullopt),
      ElementsAre(Field(&Neighbor::slot, 1), Field(&Neighbor::slot, 2),
                  Field(&Neighbor::slot, 3), Field(&Neighbor::slot, 5)));
}

TEST(PossibleNeighborsTest, DistanceMaxIsWidenedByTheError) {
  PossibleNeighbors possible(5);
  possible.Offer({1, 1.0f, 0.1f});
  possible.Offer({2, 1.2f, 0.1f});
  EXPECT_THAT(std::move(possible).Take(1.05f),
              ElementsAre(Field(&Neighbor::slot, 1)));
  EXPECT_THAT(PossibleNeighbors(5).Take(1.0f), IsEmpty());
}

TEST(PossibleNeighborsTest, HoldsTheTrulyNearestOfManyAndFewMore) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> anywhere(0, 1), off(-1, 1);
  std::vector<std::pair<float, Slot>> truth;
  PossibleNeighbors possible(10);
  for (Slot slot = 0; slot < 20'000; ++slot) {
    const float distance = anywhere(random);
    const float error = 0.001f * anywhere(random);
    truth.emplace_back(distance, slot);
    possible.Offer({slot, distance + 0.99f * error * off(random), error});
  }
  std::sort(truth.begin(), truth.end());
  std::set<Slot> kept;
  for (const Neighbor& neighbor : std::move(possible).Take(std::nullopt)) {
    kept.insert(neighbor.slot);
  }
  for (size_t i = 0; i < 10; ++i) EXPECT_TRUE(kept.count(truth[i].second));
  EXPECT_THAT(kept, SizeIs(::testing::Lt(100u)));
}

}  // namespace
}  // namespace diptych::storage
