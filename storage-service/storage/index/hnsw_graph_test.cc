#include "storage/index/hnsw_graph.h"

#include <algorithm>
#include <limits>
#include <set>

#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"

namespace diptych::storage {
namespace {

using ::testing::SizeIs;

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

std::shared_ptr<VectorRows> RowsOf(
    const std::vector<std::vector<float>>& vectors) {
  auto rows = std::make_shared<VectorRows>(
      vectors.front().size() * sizeof(float), vectors.size());
  for (size_t i = 0; i < vectors.size(); ++i) {
    rows->Append(static_cast<Slot>(i), vectors[i].data());
  }
  return rows;
}

std::unique_ptr<HnswGraph> Build(std::shared_ptr<const VectorRows> rows) {
  const std::atomic<bool> cancelled{false};
  const DistanceFunction distance(Metric::kSquaredL2,
                                  rows->row_bytes() / sizeof(float));
  auto graph = HnswGraph::Build(std::move(rows), distance, HnswSettings(), 100,
                                cancelled);
  EXPECT_THAT(graph, IsOk());
  return *std::move(graph);
}

TEST(HnswGraphTest, EveryOneOfManyEqualRowsIsReached) {
  // Plain HNSW cuts equal rows off from each other.
  std::vector<std::vector<float>> vectors(3000, {1, 2, 3, 4});
  for (size_t i = 0; i < 1000; ++i) {
    vectors[i * 3][0] = static_cast<float>(i);
  }
  const auto graph = Build(RowsOf(vectors));
  const HnswGraph::Walk walk =
      graph->Search(vectors[1].data(), 3000, nullptr, kUnlimited);
  std::set<Slot> slots;
  for (const Neighbor& neighbor : walk.neighbors) slots.insert(neighbor.slot);
  EXPECT_THAT(slots, SizeIs(3000));
  // The equal ones come first, whatever the breadth of the walk.
  for (const size_t ef : {16, 100, 1500}) {
    for (const Neighbor& neighbor :
         graph->Search(vectors[1].data(), ef, nullptr, kUnlimited).neighbors) {
      EXPECT_EQ(neighbor.distance, 0.0f) << ef;
    }
  }
}

TEST(HnswGraphTest, BothWalksFindTheSame) {
  const ClusteredVectors data = MakeClusteredVectors(2000, 16, 1, 10);
  const auto rows = RowsOf(data.rows);
  const auto graph = Build(rows);
  const SlotSet all = SlotSet::Range(0, 2000);
  for (size_t i = 0; i < 50; ++i) {
    const auto sorted = [&](const SlotSet* allowed) {
      auto found =
          graph->Search(data.rows[i].data(), 50, allowed, kUnlimited).neighbors;
      std::sort(found.begin(), found.end());
      return found;
    };
    EXPECT_EQ(sorted(nullptr), sorted(&all));
  }
}

TEST(HnswGraphTest, DeadRowsAreWalkedThroughButNotGiven) {
  const ClusteredVectors data = MakeClusteredVectors(1000, 8, 1, 10);
  const auto rows = RowsOf(data.rows);
  const auto graph = Build(rows);
  for (size_t row = 0; row < 1000; ++row) {
    if (row % 10 != 0) rows->MarkDead(row);
  }
  const auto walk =
      graph->Search(data.rows[1].data(), 100, nullptr, kUnlimited);
  EXPECT_THAT(walk.neighbors, SizeIs(100));
  for (const Neighbor& neighbor : walk.neighbors) {
    EXPECT_EQ(neighbor.slot % 10, 0u);
  }
}

TEST(HnswGraphTest, AFewDeadRowsCostNoRecall) {
  const ClusteredVectors data = MakeClusteredVectors(2000, 16, 1, 10);
  const auto rows = RowsOf(data.rows);
  const auto graph = Build(rows);
  const DistanceFunction distance(Metric::kSquaredL2, 16);
  for (size_t row = 0; row < 2000; ++row) {
    if (row % 4 == 0) rows->MarkDead(row);
  }
  // And all of one cluster, which take all places near a query there.
  size_t dead = 500;
  for (size_t row = 0; row < 2000; ++row) {
    if (data.clusters[row] == 7) dead += rows->MarkDead(row);
  }
  ASSERT_EQ(rows->dead_count(), dead);
  size_t found = 0;
  for (size_t query = 0; query < 200; ++query) {
    const auto walk =
        graph->Search(data.rows[query].data(), 30, nullptr, kUnlimited, 10);
    ASSERT_THAT(walk.neighbors, SizeIs(10));
    std::vector<std::pair<float, size_t>> nearest;
    for (size_t row = 0; row < 2000; ++row) {
      if (rows->IsDead(row)) continue;
      nearest.emplace_back(distance(data.rows[query].data(), rows->row(row)),
                           row);
    }
    std::sort(nearest.begin(), nearest.end());
    for (const Neighbor& neighbor : walk.neighbors) {
      EXPECT_FALSE(rows->IsDead(neighbor.slot));
      found += neighbor.distance <= nearest[9].first;
    }
  }
  EXPECT_GE(found, 1960u) << "of 2000";
}

TEST(HnswGraphTest, GivesUpAtTheLimitOfVisits) {
  const ClusteredVectors data = MakeClusteredVectors(2000, 8, 1, 10);
  const auto graph = Build(RowsOf(data.rows));
  const SlotSet allowed = {7};
  const auto walk = graph->Search(data.rows[0].data(), 10, &allowed, 200);
  EXPECT_FALSE(walk.complete);
  EXPECT_LE(walk.visits, 200u + 32u + 8u);
}

TEST(HnswGraphTest, BuildingCanBeCancelled) {
  const std::atomic<bool> cancelled{true};
  EXPECT_THAT(HnswGraph::Build(RowsOf({{1, 2}, {3, 4}}),
                               DistanceFunction(Metric::kSquaredL2, 2),
                               HnswSettings(), 1, cancelled),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(HnswGraphTest, OneRowIsAGraph) {
  const auto graph = Build(RowsOf({{1, 2}}));
  const float query[] = {0, 0};
  EXPECT_THAT(graph->Search(query, 10, nullptr, kUnlimited).neighbors,
              SizeIs(1));
}

}  // namespace
}  // namespace diptych::storage
