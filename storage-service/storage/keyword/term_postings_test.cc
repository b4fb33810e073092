#include "storage/keyword/term_postings.h"

#include <map>
#include <random>

#include "gtest/gtest.h"
#include "storage/keyword/slot_lengths.h"

namespace diptych::storage {
namespace {

std::map<Slot, uint32_t> All(const TermPostings& postings) {
  std::map<Slot, uint32_t> all;
  for (TermPostings::Cursor cursor(&postings); !cursor.done(); cursor.Next()) {
    EXPECT_TRUE(all.emplace(cursor.slot(), cursor.frequency()).second);
  }
  return all;
}

TEST(TermPostingsTest, HoldsTheExtremes) {
  TermPostings postings;
  postings.Add(0, 1);
  postings.Add(4'294'967'295u, 4'294'967'295u);
  EXPECT_EQ(All(postings), (std::map<Slot, uint32_t>{
                               {0, 1}, {4'294'967'295u, 4'294'967'295u}}));
  TermPostings::Cursor cursor(&postings);
  cursor.SeekTo(1);
  EXPECT_EQ(cursor.slot(), 4'294'967'295u);
  cursor.SeekTo(4'294'967'295u);
  EXPECT_EQ(cursor.frequency(), 4'294'967'295u);
  cursor.Next();
  EXPECT_TRUE(cursor.done());
}

TEST(TermPostingsTest, RandomChangesAgreeWithAMap) {
  for (const uint32_t spread : {1u, 7u, 100'000u}) {
    std::mt19937 random(spread);
    TermPostings postings;
    std::map<Slot, uint32_t> expected;
    Slot next = 0;
    for (int step = 0; step < 6000; ++step) {
      const uint32_t frequency = random() % 3 == 0 ? 1 + random() % 400 : 1;
      if (step % 3 != 2) {
        // As a collection does: new slots at the end.
        next += 1 + random() % spread;
        postings.Add(next, frequency);
        expected[next] = frequency;
      } else if (step % 2 == 0) {
        const Slot slot = random() % (next + 1);
        if (expected.emplace(slot, frequency).second) {
          postings.Add(slot, frequency);
        }
      } else if (!expected.empty()) {
        auto gone = expected.lower_bound(random() % (next + 1));
        if (gone == expected.end()) gone = expected.begin();
        postings.Remove(gone->first);
        postings.Remove(gone->first);  // no longer there
        expected.erase(gone);
      }
      ASSERT_EQ(postings.count(), expected.size());
    }
    EXPECT_EQ(All(postings), expected);
    for (int i = 0; i < 500; ++i) {
      TermPostings::Cursor cursor(&postings);
      Slot wanted = 0;
      for (int seek = 0; seek < 4; ++seek) {
        wanted += random() % (next / 3);
        cursor.SeekTo(wanted);
        const auto found = expected.lower_bound(wanted);
        ASSERT_EQ(cursor.done(), found == expected.end());
        if (cursor.done()) break;
        ASSERT_EQ(cursor.slot(), found->first);
        ASSERT_EQ(cursor.frequency(), found->second);
        wanted = cursor.slot();
      }
    }
    // Emptied from the front, it does not keep blocks of a few slots.
    const size_t full = postings.memory_bytes();
    const size_t keep = expected.size() / 10;
    while (expected.size() > keep) {
      auto gone = expected.lower_bound(random() % (next + 1));
      if (gone == expected.end()) gone = expected.begin();
      postings.Remove(gone->first);
      expected.erase(gone);
    }
    EXPECT_EQ(All(postings), expected);
    EXPECT_LT(postings.memory_bytes(), full);
    while (!expected.empty()) {
      postings.Remove(expected.begin()->first);
      expected.erase(expected.begin());
    }
    EXPECT_EQ(postings.count(), 0u);
    EXPECT_TRUE(TermPostings::Cursor(&postings).done());
  }
}

TEST(TermPostingsTest, CommonTermsCostTwoBytesPerSlot) {
  TermPostings postings;
  std::mt19937 random(1);
  Slot slot = 0;
  for (int i = 0; i < 100'000; ++i) {
    slot += 1 + random() % 20;
    postings.Add(slot, 1 + (random() % 4 == 0));
  }
  EXPECT_LT(postings.memory_bytes(), 200'000u);
}

TEST(SlotLengthsTest, PagesComeAndGo) {
  SlotLengths lengths;
  lengths.Add(5, 3);
  const size_t one = lengths.memory_bytes();
  lengths.Add(2'000'000, 4);
  lengths.Add(6, 70'000);
  EXPECT_EQ(lengths.Get(5), 3u);
  EXPECT_EQ(lengths.Get(6), 70'000u);
  EXPECT_EQ(lengths.Get(2'000'000), 4u);
  const size_t two = lengths.memory_bytes();
  EXPECT_GT(two, one);
  lengths.Remove(2'000'000);
  EXPECT_LT(lengths.memory_bytes(), two);
  lengths.Remove(5);
  EXPECT_EQ(lengths.Get(6), 70'000u);
}

}  // namespace
}  // namespace diptych::storage
