#include "storage/index/slot_set.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SlotSetTest, HoldsWhatWasAddedInOrder) {
  SlotSet set = {7, 3, 7, 4'000'000'000u};
  set.Add(5);
  EXPECT_THAT(set.ToVector(), ElementsAre(3, 5, 7, 4'000'000'000u));
  EXPECT_EQ(set.Count(), 4u);
  EXPECT_TRUE(set.Contains(5));
  EXPECT_TRUE(set.Remove(5));
  EXPECT_FALSE(set.Remove(5));
  EXPECT_FALSE(set.Contains(5));
}

TEST(SlotSetTest, CombinesSets) {
  SlotSet both = SlotSet::Range(10, 20);
  both &= SlotSet::Range(15, 30);
  EXPECT_EQ(both, SlotSet::Range(15, 20));
  SlotSet either = {1};
  either |= {2};
  EXPECT_EQ(either, (SlotSet{1, 2}));
  either -= {1};
  EXPECT_EQ(either, SlotSet{2});
  EXPECT_EQ(SlotSet::Range(10, 20).IntersectionCount(SlotSet::Range(15, 30)),
            5u);
}

TEST(SlotSetTest, EmptyRangesAndSetsVisitNothing) {
  EXPECT_TRUE(SlotSet::Range(5, 5).empty());
  EXPECT_THAT(SlotSet().ToVector(), IsEmpty());
  SlotSet().ForEach([](Slot) { FAIL(); });
  SlotSet().ForEachFrom(0, [](Slot) { return true; });
}

TEST(SlotSetTest, VisitsFromASlotOnUntilToldToStop) {
  std::vector<Slot> visited;
  SlotSet::Range(0, 200'000).ForEachFrom(99'999, [&](Slot slot) {
    visited.push_back(slot);
    return visited.size() < 3;
  });
  EXPECT_THAT(visited, ElementsAre(99'999, 100'000, 100'001));
}

TEST(SlotSetTest, TheUnionOfManyHoldsWhatOneOfThemHolds) {
  EXPECT_TRUE(SlotSet::Union({}).empty());
  const SlotSet low = {1, 70'000}, same = {1, 2}, range = SlotSet::Range(5, 9),
                empty;
  const SlotSet* const sets[] = {&low, &same, &empty, &range};
  EXPECT_EQ(SlotSet::Union(sets).ToVector(),
            (std::vector<Slot>{1, 2, 5, 6, 7, 8, 70'000}));
}

TEST(SlotSetTest, IsReadBackAsItWasWritten) {
  SlotSet dense = SlotSet::Range(10, 200'000);
  for (const SlotSet& set :
       {SlotSet(), SlotSet({7}), SlotSet({1, 70'000, 4'000'000'000u}), dense}) {
    const std::string bytes = set.Serialize();
    EXPECT_EQ(SlotSet::Parse(bytes), set);
    EXPECT_FALSE(SlotSet::Parse(bytes.substr(0, bytes.size() / 2)).has_value());
  }
  EXPECT_FALSE(SlotSet::Parse("not a bitmap at all").has_value());
}

TEST(SlotSetTest, BeforeLeavesOutWhatComesLater) {
  const SlotSet set({1, 5, 9});
  EXPECT_EQ(set.Before(5), SlotSet({1}));
  EXPECT_EQ(set.Before(10), set);
  EXPECT_EQ(set.Before(0), SlotSet());
  EXPECT_EQ(SlotSet().Before(3), SlotSet());
}

}  // namespace
}  // namespace diptych::storage
