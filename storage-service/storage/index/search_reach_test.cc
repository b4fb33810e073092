#include "storage/index/search_reach.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/flat_index.h"
#include "storage/index/segmented_index.h"
#include "storage/index/segmented_index_testing.h"

namespace diptych::storage {
namespace {

using ::testing::SizeIs;

TEST(SearchReachTest, TheLimitIsTheLastOfTheNearestOfAllSegments) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  SearchReach reach(3);
  EXPECT_EQ(reach.Limit(), kInfinity);
  reach.Add({2, 5});
  EXPECT_EQ(reach.Limit(), kInfinity);
  reach.Add({4, 6, 7});
  EXPECT_EQ(reach.Limit(), 5);
  reach.Add({});
  EXPECT_EQ(reach.Limit(), 5);
  reach.Add({1, 1, 8});
  EXPECT_EQ(reach.Limit(), 2);
}

// Rows at random, and whole clusters, in one segment or another.
TEST(SearchReachTest, WhatOneSegmentHasSparesTheOthersWork) {
  constexpr uint32_t kDimension = 32;
  constexpr Slot kCount = 3'000;
  const ClusteredVectors data = MakeClusteredVectors(kCount, kDimension, 1, 20);
  const ClusteredVectors queries = MakeClusteredVectors(50, kDimension, 2, 20);
  VectorIndexOptions flat;
  flat.dimension = kDimension;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto oracle, FlatIndex::Create(flat));
  for (Slot slot = 0; slot < kCount; ++slot) {
    ASSERT_THAT(oracle->Add(slot, data.rows[slot]), IsOk());
  }
  std::vector<Slot> order(kCount);
  for (Slot slot = 0; slot < kCount; ++slot) order[slot] = slot;
  for (const bool by_cluster : {false, true}) {
    if (by_cluster) {
      std::stable_sort(order.begin(), order.end(), [&](Slot a, Slot b) {
        return data.clusters[a] < data.clusters[b];
      });
    }
    SegmentedIndexOptions options;
    options.index.dimension = kDimension;
    options.flat_rows = kCount / 3;
    options.index.hnsw.ef_construction = 40;
    options.index.hnsw.ef_search = 40;
    ManualExecutor executor;
    // All in three segments; and each third in an index of its own.
    auto together = CreateSegmentedIndex(options, &executor);
    std::unique_ptr<SegmentedIndex> apart[3];
    for (auto& third : apart) third = CreateSegmentedIndex(options, &executor);
    for (Slot i = 0; i < kCount; ++i) {
      const Slot slot = order[i];
      ASSERT_THAT(together->Add(slot, data.rows[slot]), IsOk());
      ASSERT_THAT(apart[i / (kCount / 3)]->Add(slot, data.rows[slot]), IsOk());
    }
    executor.RunAll();
    ASSERT_THAT(together->segments(), SizeIs(3));
    size_t found = 0;
    SearchStatistics of_all, of_thirds;
    for (const std::vector<float>& query : queries.rows) {
      SearchOptions search;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto truth,
                                   oracle->Search(query, search));
      search.plan = SegmentPlan::kGraph;
      search.statistics = &of_thirds;
      for (const auto& third : apart) {
        ASSERT_THAT(third->Search(query, search), IsOk());
      }
      search.statistics = &of_all;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto neighbors,
                                   together->Search(query, search));
      EXPECT_EQ(neighbors.size(), 10u);
      found += CommonSlots(neighbors, truth);
    }
    EXPECT_GE(found, 490u) << by_cluster << " of 500";
    EXPECT_EQ(of_all.graph_searches, 150u);
    EXPECT_EQ(of_all.graph_fallbacks, 0u);
    EXPECT_LT(of_all.graph_visits, of_thirds.graph_visits * 9 / 10)
        << by_cluster;

    // A filter lets each segment look for itself.
    SlotSet allowed;
    for (Slot slot = 0; slot < kCount; slot += 2) allowed.Add(slot);
    found = 0;
    for (const std::vector<float>& query : queries.rows) {
      SearchOptions search;
      search.allowed = &allowed;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto truth,
                                   oracle->Search(query, search));
      search.plan = SegmentPlan::kGraph;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto neighbors,
                                   together->Search(query, search));
      EXPECT_EQ(neighbors.size(), 10u);
      found += CommonSlots(neighbors, truth);
    }
    EXPECT_GE(found, 490u) << by_cluster << " of 500";
  }
}

}  // namespace
}  // namespace diptych::storage
