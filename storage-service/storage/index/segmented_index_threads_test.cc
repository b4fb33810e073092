// The index with threads of its own and of its callers.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "common/concurrency/thread_pool.h"
#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/segmented_index.h"

namespace diptych::storage {
namespace {

// Two writers over slots of their own, searches and background work at once.
// A slot in the upper half is never touched: it must be found all the time.
TEST(SegmentedIndexThreadsTest, SearchesWritesAndBuildingRunAtOnce) {
  constexpr uint32_t kDimension = 8;
  constexpr Slot kChurned = 400;
  constexpr Slot kStable = 100;
  ThreadPool executor({.name = "index", .threads = 2});
  SegmentedIndexOptions options;
  options.index.dimension = kDimension;
  options.flat_rows = 100;
  options.index.hnsw.ef_construction = 20;
  options.costs.scan_row = 1e6;  // walk the graphs
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto index,
                               SegmentedIndex::Create(options, &executor));
  const ClusteredVectors data = MakeClusteredVectors(1000, kDimension, 1, 5);
  for (Slot slot = 0; slot < kStable; ++slot) {
    ASSERT_THAT(index->Add(kChurned + slot, data.rows[slot]), IsOk());
  }
  std::atomic<bool> writing{true};
  std::vector<std::thread> threads;
  for (uint32_t writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937 random(writer);
      for (int step = 0; step < 500; ++step) {
        const Slot slot = random() % (kChurned / 2) * 2 + writer;
        if (index->Contains(slot)) {
          EXPECT_THAT(index->Remove(slot), IsOk());
        } else {
          EXPECT_THAT(index->Add(slot, data.rows[random() % 1000]), IsOk());
        }
      }
    });
  }
  const SlotSet stable = SlotSet::Range(kChurned, kChurned + kStable);
  for (uint32_t reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937 random(100 + reader);
      while (writing) {
        SearchOptions search;
        search.k = 20;
        if (random() % 2) search.allowed = &stable;
        const auto found = index->Search(data.rows[random() % 1000], search);
        ASSERT_THAT(found, IsOk());
        EXPECT_EQ(found->size(), 20u);
        EXPECT_TRUE(std::is_sorted(found->begin(), found->end()));
        std::map<Slot, int> times;
        for (const Neighbor& neighbor : *found) ++times[neighbor.slot];
        EXPECT_EQ(times.size(), found->size()) << "a slot twice";
        if (search.allowed) {
          EXPECT_THAT(*found, ::testing::Each(::testing::Field(
                                  &Neighbor::slot, ::testing::Ge(kChurned))));
        }
      }
    });
  }
  threads[0].join();
  threads[1].join();
  ASSERT_THAT(index->Compact(), IsOk());
  writing = false;
  threads[2].join();
  threads[3].join();
  EXPECT_GT(index->segments().size(), 0u);
}

}  // namespace
}  // namespace diptych::storage
