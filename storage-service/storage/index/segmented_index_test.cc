#include "storage/index/segmented_index.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/flat_index.h"
#include "storage/index/segmented_index_testing.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr size_t kRows = 2'000;
#else
constexpr size_t kRows = 20'000;
#endif

SegmentedIndexOptions Options(uint32_t dimension, size_t flat_rows) {
  SegmentedIndexOptions options;
  options.index.dimension = dimension;
  options.flat_rows = flat_rows;
  return options;
}

// One index over clustered vectors and its oracle, for all quality tests.
class SegmentedIndexQualityTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kDimension = 64;

  static void SetUpTestSuite() {
    index_ =
        CreateSegmentedIndex(Options(kDimension, 20'000), nullptr).release();
    VectorIndexOptions flat;
    flat.dimension = kDimension;
    oracle_ = FlatIndex::Create(flat)->release();
    const ClusteredVectors data = MakeClusteredVectors(kRows, kDimension, 1);
    for (size_t i = 0; i < kRows; ++i) {
      ASSERT_THAT(index_->Add(static_cast<Slot>(i), data.rows[i]), IsOk());
      ASSERT_THAT(oracle_->Add(static_cast<Slot>(i), data.rows[i]), IsOk());
    }
    ASSERT_THAT(index_->Compact(), IsOk());
    queries_ = new ClusteredVectors(MakeClusteredVectors(100, kDimension, 2));
    clusters_ = new std::vector<uint32_t>(data.clusters);
  }
  static void TearDownTestSuite() {
    delete index_;
    delete oracle_;
    delete queries_;
    delete clusters_;
  }

  // Mean recall@10 under `options`; expects every answer to be complete.
  double Recall(SearchOptions options) const {
    size_t found = 0, expected = 0;
    for (const std::vector<float>& query : queries_->rows) {
      const auto neighbors = index_->Search(query, options);
      const auto exact = oracle_->Search(query, options);
      EXPECT_THAT(neighbors, IsOk());
      EXPECT_EQ(neighbors->size(), exact->size());
      found += CommonSlots(*neighbors, *exact);
      expected += exact->size();
    }
    return static_cast<double>(found) / static_cast<double>(expected);
  }

  static SegmentedIndex* index_;
  static FlatIndex* oracle_;
  static ClusteredVectors* queries_;
  static std::vector<uint32_t>* clusters_;
};

SegmentedIndex* SegmentedIndexQualityTest::index_ = nullptr;
FlatIndex* SegmentedIndexQualityTest::oracle_ = nullptr;
ClusteredVectors* SegmentedIndexQualityTest::queries_ = nullptr;
std::vector<uint32_t>* SegmentedIndexQualityTest::clusters_ = nullptr;

TEST_F(SegmentedIndexQualityTest, RecallAtDefaultsIsHigh) {
  SearchStatistics statistics;
  SearchOptions options;
  options.statistics = &statistics;
  EXPECT_GE(Recall(options), 0.98);
  EXPECT_EQ(statistics.graph_searches, 100u);
}

TEST_F(SegmentedIndexQualityTest, ExactModeIsExact) {
  SearchOptions options;
  options.exact = true;
  EXPECT_EQ(Recall(options), 1.0);
}

TEST_F(SegmentedIndexQualityTest, FilteredSearchIsCompleteAtEverySelectivity) {
  std::mt19937 random(3);
  for (const double share : {0.001, 0.01, 0.1, 0.5}) {
    SlotSet allowed;
    for (size_t i = 0; i < kRows; ++i) {
      if (std::uniform_real_distribution<>()(random) < share) allowed.Add(i);
    }
    SearchOptions options;
    options.allowed = &allowed;
    SearchStatistics statistics;
    options.statistics = &statistics;
    EXPECT_GE(Recall(options), 0.98) << share;
    // Half of all: the graph is cheaper; one in a hundred: the scan is.
    if (share == 0.5 && kRows >= 20'000) {
      EXPECT_GT(statistics.graph_searches, 50u);
    } else if (share <= 0.01) {
      EXPECT_EQ(statistics.graph_visits, 0u);
    }
  }
}

TEST_F(SegmentedIndexQualityTest, EveryPlanHoldsRecallUnderFilters) {
  std::mt19937 random(4);
  for (const bool whole_clusters : {false, true}) {
    for (const uint32_t percent : {10, 30, 60}) {
      SlotSet allowed;
      for (size_t i = 0; i < kRows; ++i) {
        const uint32_t draw =
            whole_clusters ? (*clusters_)[i] * 37 % 100 : random() % 100;
        if (draw < percent) allowed.Add(static_cast<Slot>(i));
      }
      for (const SegmentPlan plan :
           {SegmentPlan::kScan, SegmentPlan::kGraph, SegmentPlan::kCheapest}) {
        SearchStatistics statistics;
        SearchOptions options;
        options.allowed = &allowed;
        options.plan = plan;
        options.statistics = &statistics;
        EXPECT_GE(Recall(options), plan == SegmentPlan::kScan ? 1.0 : 0.98)
            << whole_clusters << percent;
        if (plan == SegmentPlan::kScan) {
          EXPECT_EQ(statistics.graph_visits, 0u);
        } else if (plan == SegmentPlan::kGraph) {
          EXPECT_EQ(statistics.graph_searches, queries_->rows.size());
        }
      }
    }
  }
}

TEST_F(SegmentedIndexQualityTest, FilterFarFromTheQueryIsGivenUpForTheScan) {
  // The larger half of the clusters are allowed, the query lies in another.
  SlotSet allowed;
  for (size_t i = 0; i < kRows; ++i) {
    if ((*clusters_)[i] % 2 == 0) allowed.Add(static_cast<Slot>(i));
  }
  SearchOptions options;
  options.allowed = &allowed;
  SearchStatistics statistics;
  options.statistics = &statistics;
  EXPECT_GE(Recall(options), 0.95);
  // Never more than the two plans together.
  EXPECT_LE(statistics.graph_visits,
            queries_->rows.size() * (allowed.Count() + 64));
}

// Every vector is replaced ten times, with background work as it comes.
TEST(SegmentedIndexTest, RecallAfterManyReplacementsIsThatOfAFreshIndex) {
  constexpr uint32_t kDimension = 32;
  constexpr Slot kCount = 1'000;
  const ClusteredVectors data = MakeClusteredVectors(kCount, kDimension, 1, 20);
  const ClusteredVectors queries = MakeClusteredVectors(50, kDimension, 2, 20);
  VectorIndexOptions flat;
  flat.dimension = kDimension;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto oracle, FlatIndex::Create(flat));
  for (Slot slot = 0; slot < kCount; ++slot) {
    ASSERT_THAT(oracle->Add(slot, data.rows[slot]), IsOk());
  }
  size_t found[2] = {};
  for (const bool replaced : {false, true}) {
    ManualExecutor executor;
    SegmentedIndexOptions options = Options(kDimension, 250);
    options.index.precision = VectorPrecision::kInt8;
    options.index.hnsw.ef_construction = 40;
    auto index = CreateSegmentedIndex(options, &executor);
    std::mt19937 random(5);
    for (Slot slot = 0; slot < kCount; ++slot) {
      ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
      executor.RunAll();
    }
    for (Slot i = 0; replaced && i < 10 * kCount; ++i) {
      // Every slot once in each turn, far from its neighbours.
      const Slot slot = i * 387 % kCount;
      ASSERT_THAT(index->Remove(slot), IsOk());
      ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
      executor.RunAll();
    }
    EXPECT_EQ(index->size(), kCount);
    size_t rows = 0;
    for (const auto& segment : index->segments()) rows += segment.rows;
    EXPECT_LE(rows, kCount * 4 / 3 + 250);  // the dead go
    for (const std::vector<float>& query : queries.rows) {
      SearchOptions search;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto truth,
                                   oracle->Search(query, search));
      search.k = 30;
      search.plan = SegmentPlan::kGraph;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto neighbors,
                                   index->Search(query, search));
      EXPECT_EQ(neighbors.size(), 30u);
      found[replaced] += CommonSlots(neighbors, truth);
    }
  }
  EXPECT_GE(found[0], 490u) << "of 500";
  EXPECT_GE(found[1] * 100, found[0] * 95);
}

TEST(SegmentedIndexTest, FreshVectorsAreFoundExactlyAndAtOnce) {
  auto index = CreateSegmentedIndex(Options(2, 1000), nullptr);
  for (Slot slot = 0; slot < 500; ++slot) {
    const std::vector<float> vector = {1.0f, static_cast<float>(slot)};
    ASSERT_THAT(index->Add(slot, vector), IsOk());
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto found, index->Search(vector, {}));
    EXPECT_LT(found.front().distance, 1e-6);
  }
}

TEST(SegmentedIndexTest, SealedSegmentsBecomeGraphsAndMerge) {
  ManualExecutor executor;
  auto index = CreateSegmentedIndex(Options(4, 50), &executor);
  const ClusteredVectors data = MakeClusteredVectors(420, 4, 1, 5);
  for (Slot slot = 0; slot < 49; ++slot) {
    ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
  }
  EXPECT_FALSE(executor.RunOne());
  ASSERT_THAT(index->Add(49, data.rows[49]), IsOk());
  EXPECT_FALSE(index->segments()[0].has_graph);
  EXPECT_TRUE(executor.RunOne());
  EXPECT_TRUE(index->segments()[0].has_graph);
  for (Slot slot = 50; slot < 420; ++slot) {
    ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
    if (slot % 50 == 0) executor.RunAll();
  }
  executor.RunAll();
  // 8 sealed of 50 rows: two of 200, and the growing one.
  const auto segments = index->segments();
  ASSERT_THAT(segments, SizeIs(3));
  EXPECT_EQ(segments[0].rows, 200u);
  EXPECT_EQ(segments[1].rows, 200u);
  EXPECT_EQ(segments[2].rows, 20u);
  EXPECT_FALSE(segments[2].has_graph);
}

TEST(SegmentedIndexTest, DecayedSegmentsAreRewrittenWithoutTheDead) {
  ManualExecutor executor;
  auto index = CreateSegmentedIndex(Options(4, 100), &executor);
  const ClusteredVectors data = MakeClusteredVectors(100, 4, 1, 5);
  for (Slot slot = 0; slot < 100; ++slot) {
    ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
  }
  executor.RunAll();
  for (Slot slot = 0; slot < 25; ++slot) {
    ASSERT_THAT(index->Remove(slot), IsOk());
  }
  EXPECT_EQ(executor.RunAll(), 0u);
  ASSERT_THAT(index->Remove(25), IsOk());
  EXPECT_GT(executor.RunAll(), 0u);
  EXPECT_THAT(index->segments(), SizeIs(1));
  EXPECT_EQ(index->segments()[0].rows, 74u);
  EXPECT_EQ(index->segments()[0].dead, 0u);
  for (Slot slot = 26; slot < 100; ++slot) {
    ASSERT_THAT(index->Remove(slot), IsOk());
  }
  executor.RunAll();
  EXPECT_THAT(index->segments(), IsEmpty());
}

TEST(SegmentedIndexTest, CompactLeavesGraphsOnlyWithinTheSizeLimit) {
  SegmentedIndexOptions options = Options(4, 50);
  options.segment_rows_max = 150;
  auto index = CreateSegmentedIndex(options, nullptr);
  const ClusteredVectors data = MakeClusteredVectors(430, 4, 1, 5);
  for (Slot slot = 0; slot < 430; ++slot) {
    ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
  }
  for (Slot slot = 0; slot < 430; slot += 10) {
    ASSERT_THAT(index->Remove(slot), IsOk());
  }
  ASSERT_THAT(index->Compact(), IsOk());
  const auto segments = index->segments();
  size_t rows = 0;
  for (const auto& segment : segments) {
    EXPECT_TRUE(segment.has_graph);
    EXPECT_EQ(segment.dead, 0u);
    EXPECT_LE(segment.rows, 150u);
    rows += segment.rows;
  }
  EXPECT_EQ(rows, 387u);
  EXPECT_LE(segments.size(), 4u);
  ASSERT_THAT(index->Compact(), IsOk());
  EXPECT_EQ(index->segments().size(), segments.size());
}

TEST(SegmentedIndexTest, GoesBeforeItsTaskHasRun) {
  ManualExecutor executor;
  auto index = CreateSegmentedIndex(Options(2, 2), &executor);
  ASSERT_THAT(index->Add(0, {1, 0}), IsOk());
  ASSERT_THAT(index->Add(1, {0, 1}), IsOk());
  index.reset();
  EXPECT_EQ(executor.RunAll(), 1u);
}

TEST(SegmentedIndexTest, EqualHistoriesMakeEqualAnswers) {
  const ClusteredVectors data = MakeClusteredVectors(2000, 16, 1, 10);
  std::vector<std::vector<Neighbor>> answers;
  for (int run = 0; run < 2; ++run) {
    SegmentedIndexOptions options = Options(16, 500);
    options.costs.scan_row = 1000;
    auto index = CreateSegmentedIndex(options, nullptr);
    for (Slot slot = 0; slot < 2000; ++slot) {
      ASSERT_THAT(index->Add(slot, data.rows[slot]), IsOk());
    }
    ASSERT_THAT(index->Compact(), IsOk());
    SearchOptions search;
    search.ef = 10;
    for (Slot slot = 0; slot < 20; ++slot) {
      answers.push_back(*index->Search(data.rows[slot], search));
    }
  }
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(answers[i], answers[i + 20]);
}

TEST(SegmentedIndexTest, RefusesOptionsOutOfRange) {
  SegmentedIndexOptions options = Options(0, 1);
  EXPECT_THAT(
      SegmentedIndex::Create(options, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dimension")));
  options.index.dimension = 2;
  EXPECT_THAT(
      SegmentedIndex::Create(options, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("flat_rows")));
}

// Random writes with slots that come back, and background work at random
// moments, against an index that is obviously right.
TEST(SegmentedIndexTest, AgreesWithTheOracleUnderChurn) {
  for (const uint32_t seed : {1, 2, 3}) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    ManualExecutor executor;
    SegmentedIndexOptions options = Options(8, 40);
    options.index.metric = Metric::kSquaredL2;
    options.index.hnsw.ef_construction = 40;
    auto index = CreateSegmentedIndex(options, &executor);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto oracle, FlatIndex::Create(options.index));
    const ClusteredVectors data = MakeClusteredVectors(500, 8, seed, 5);
    for (int step = 0; step < 3000; ++step) {
      const Slot slot = random() % 300;
      const std::vector<float>& vector = data.rows[random() % 500];
      switch (random() % 10) {
        case 0:
          executor.RunOne();
          break;
        case 1: {
          SearchOptions search;
          search.k = 1 + random() % 30;
          SlotSet allowed;
          if (random() % 2) {
            allowed = SlotSet::Range(random() % 150, 150 + random() % 150);
            search.allowed = &allowed;
          }
          DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto expected,
                                       oracle->Search(vector, search));
          DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto found,
                                       index->Search(vector, search));
          // Segments this small are scanned, so answers are exact.
          ASSERT_EQ(found, expected) << "step " << step;
          break;
        }
        case 2:
        case 3:
        case 4:
          EXPECT_EQ(index->Remove(slot).code(), oracle->Remove(slot).code());
          break;
        default:
          EXPECT_EQ(index->Add(slot, vector).code(),
                    oracle->Add(slot, vector).code());
      }
      ASSERT_EQ(index->size(), oracle->size());
      ASSERT_EQ(index->Contains(slot), oracle->Contains(slot));
    }
    ASSERT_THAT(index->Compact(), IsOk());
    SearchOptions search;
    search.k = 300;
    EXPECT_EQ(*index->Search(data.rows[0], search),
              *oracle->Search(data.rows[0], search));
  }
}

}  // namespace
}  // namespace diptych::storage
