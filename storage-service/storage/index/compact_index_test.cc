// What compact precisions must keep of float32's quality.
#include <algorithm>
#include <memory>
#include <set>

#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/flat_index.h"
#include "storage/index/segmented_index.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr size_t kRows = 1'000;
#else
constexpr size_t kRows = 8'000;
#endif
constexpr uint32_t kDimension = 512;

class CompactIndexTest : public ::testing::TestWithParam<VectorPrecision> {
 protected:
  static void SetUpTestSuite() {
    data_ = new ClusteredVectors(MakeClusteredVectors(kRows, kDimension, 1));
    queries_ = new ClusteredVectors(MakeClusteredVectors(100, kDimension, 2));
    VectorIndexOptions options;
    options.dimension = kDimension;
    oracle_ = FlatIndex::Create(options)->release();
    for (size_t i = 0; i < kRows; ++i) {
      ASSERT_THAT(oracle_->Add(static_cast<Slot>(i), data_->rows[i]), IsOk());
    }
  }
  static void TearDownTestSuite() {
    delete data_;
    delete queries_;
    delete oracle_;
  }

  static std::unique_ptr<SegmentedIndex> Create() {
    SegmentedIndexOptions options;
    options.index.dimension = kDimension;
    options.index.precision = GetParam();
    options.costs.scan_row = 1e6;  // walk the graph
    auto index = SegmentedIndex::Create(options, nullptr);
    EXPECT_THAT(index, IsOk());
    for (size_t i = 0; i < kRows; ++i) {
      EXPECT_THAT((*index)->Add(static_cast<Slot>(i), data_->rows[i]), IsOk());
    }
    EXPECT_THAT((*index)->Compact(), IsOk());
    return *std::move(index);
  }
  // The answer in the order of true distances.
  static std::vector<std::pair<double, Slot>> Reranked(
      const std::vector<float>& query, const std::vector<Neighbor>& found) {
    std::vector<std::pair<double, Slot>> reranked;
    for (const Neighbor& neighbor : found) {
      reranked.emplace_back(
          Distance(Metric::kCosine, query, data_->rows[neighbor.slot]),
          neighbor.slot);
    }
    std::sort(reranked.begin(), reranked.end());
    return reranked;
  }

  static ClusteredVectors* data_;
  static ClusteredVectors* queries_;
  static FlatIndex* oracle_;
};

ClusteredVectors* CompactIndexTest::data_ = nullptr;
ClusteredVectors* CompactIndexTest::queries_ = nullptr;
FlatIndex* CompactIndexTest::oracle_ = nullptr;

TEST_P(CompactIndexTest, KeepsRecallExactnessAndDistanceMaxInLessMemory) {
  const auto index = Create();
  size_t found_by_graph = 0, possible_count = 0;
  for (const std::vector<float>& query : queries_->rows) {
    SearchOptions options;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto truth,
                                 oracle_->Search(query, options));
    std::set<Slot> nearest;
    for (const Neighbor& neighbor : truth) nearest.insert(neighbor.slot);

    SearchStatistics statistics;
    options.k = RerankCandidates(GetParam(), 10);
    options.statistics = &statistics;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto walked,
                                 index->Search(query, options));
    EXPECT_EQ(statistics.graph_searches, 1u);
    const auto reranked = Reranked(query, walked);
    ASSERT_EQ(reranked.size(), options.k);
    for (size_t i = 0; i < 10; ++i) {
      found_by_graph += nearest.count(reranked[i].second);
    }

    options.k = 10;
    options.exact = true;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto possible,
                                 index->Search(query, options));
    possible_count += possible.size();
    const auto exact = Reranked(query, possible);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_NEAR(exact[i].first, truth[i].distance, 1e-5);
    }

    // Nothing within the limit is lost, in either mode.
    options.distance_max = truth[5].distance;
    for (const bool mode : {true, false}) {
      options.exact = mode;
      options.k = RerankCandidates(GetParam(), 10);
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto near,
                                   index->Search(query, options));
      std::set<Slot> near_slots;
      for (const Neighbor& neighbor : near) near_slots.insert(neighbor.slot);
      const auto is_walked = [&](Slot slot) {
        return std::any_of(
            walked.begin(), walked.end(),
            [&](const Neighbor& neighbor) { return neighbor.slot == slot; });
      };
      for (size_t i = 0; i < 6; ++i) {
        if (!mode && !is_walked(truth[i].slot)) continue;
        EXPECT_TRUE(near_slots.count(truth[i].slot)) << mode << i;
      }
    }
  }
  EXPECT_GE(found_by_graph, 985u) << "of 1000";
  const double bytes = static_cast<double>(index->memory_bytes()) / kRows;
  EXPECT_LT(bytes, GetParam() == VectorPrecision::kInt8 ? 800 : 1'400);
  EXPECT_LT(possible_count, queries_->rows.size() * kRows / 20);
}

INSTANTIATE_TEST_SUITE_P(Precisions, CompactIndexTest,
                         ::testing::Values(VectorPrecision::kBfloat16,
                                           VectorPrecision::kInt8),
                         [](const auto& param) {
                           return param.param == VectorPrecision::kInt8
                                      ? "Int8"
                                      : "Bfloat16";
                         });

}  // namespace
}  // namespace diptych::storage
