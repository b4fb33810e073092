// What every VectorIndex must do, for every metric and precision.
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>

#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/flat_index.h"
#include "storage/index/segmented_index.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The sanitizers make the building of graphs slow.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr Slot kRows = 300;
#else
constexpr Slot kRows = 800;
#endif

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<VectorIndex>(const VectorIndexOptions&)> create;
  // Brings the index into the state that the implementation is about.
  std::function<void(VectorIndex&)> settle = [](VectorIndex&) {};
};

std::unique_ptr<VectorIndex> MakeSegmented(const VectorIndexOptions& options,
                                           size_t flat_rows,
                                           bool always_graph) {
  SegmentedIndexOptions segmented;
  segmented.index = options;
  segmented.flat_rows = flat_rows;
  if (always_graph) segmented.costs.scan_row = 1e9;
  auto index = SegmentedIndex::Create(segmented, nullptr);
  EXPECT_THAT(index, IsOk());
  return *std::move(index);
}

std::vector<Implementation> Implementations() {
  const auto compact = [](VectorIndex& index) {
    EXPECT_THAT(static_cast<SegmentedIndex&>(index).Compact(), IsOk());
  };
  return {
      {"Flat",
       [](const VectorIndexOptions& options) {
         auto index = FlatIndex::Create(options);
         EXPECT_THAT(index, IsOk());
         return *std::move(index);
       }},
      {"SegmentedFresh",
       [](const VectorIndexOptions& options) {
         return MakeSegmented(options, 20'000, false);
       }},
      {"SegmentedManySealed",
       [](const VectorIndexOptions& options) {
         return MakeSegmented(options, 16, false);
       }},
      {"SegmentedOneGraph",
       [](const VectorIndexOptions& options) {
         return MakeSegmented(options, 20'000, true);
       },
       compact},
      {"SegmentedPlanned",
       [](const VectorIndexOptions& options) {
         return MakeSegmented(options, 20'000, false);
       },
       compact},
  };
}

class VectorIndexConformanceTest
    : public ::testing::TestWithParam<
          std::tuple<Metric, VectorPrecision, Implementation>> {
 protected:
  static constexpr uint32_t kDimension = 24;

  Metric metric() const { return std::get<0>(GetParam()); }
  VectorPrecision precision() const { return std::get<1>(GetParam()); }
  std::unique_ptr<VectorIndex> Create(uint32_t dimension = kDimension) const {
    VectorIndexOptions options;
    options.metric = metric();
    options.dimension = dimension;
    options.precision = precision();
    return std::get<2>(GetParam()).create(options);
  }
  void Settle(VectorIndex& index) const {
    std::get<2>(GetParam()).settle(index);
  }
  std::vector<Slot> SlotsOf(const std::vector<Neighbor>& neighbors) const {
    std::vector<Slot> slots;
    for (const Neighbor& neighbor : neighbors) slots.push_back(neighbor.slot);
    return slots;
  }
};

TEST_P(VectorIndexConformanceTest, EmptyIndexFindsNothing) {
  auto index = Create(2);
  Settle(*index);
  EXPECT_THAT(index->Search({1, 0}, {}), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(index->size(), 0u);
  EXPECT_FALSE(index->Contains(0));
}

TEST_P(VectorIndexConformanceTest, FindsTheNearestInOrderWithTheirDistances) {
  auto index = Create();
  const ClusteredVectors data = MakeClusteredVectors(600, kDimension, 1, 5);
  for (size_t i = 0; i < data.rows.size(); ++i) {
    ASSERT_THAT(index->Add(static_cast<Slot>(i * 3), data.rows[i]), IsOk());
  }
  Settle(*index);
  const ClusteredVectors queries = MakeClusteredVectors(20, kDimension, 2, 5);
  size_t found = 0;
  for (const std::vector<float>& query : queries.rows) {
    std::vector<std::pair<double, Slot>> expected;
    for (size_t i = 0; i < data.rows.size(); ++i) {
      expected.emplace_back(Distance(metric(), query, data.rows[i]), i * 3);
    }
    std::sort(expected.begin(), expected.end());
    SearchOptions options;
    options.k = RerankCandidates(precision(), 10);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto neighbors,
                                 index->Search(query, options));
    ASSERT_THAT(neighbors, SizeIs(options.k));
    EXPECT_TRUE(std::is_sorted(neighbors.begin(), neighbors.end()));
    for (const Neighbor& neighbor : neighbors) {
      const double exact =
          Distance(metric(), query, data.rows[neighbor.slot / 3]);
      EXPECT_NEAR(neighbor.distance, exact, neighbor.error + 1e-4);
      found += exact <= expected[9].first + 1e-5;
    }
    // The nearest are all there, whatever the rows are rounded to.
    options.k = 10;
    options.exact = true;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto possible,
                                 index->Search(query, options));
    std::vector<double> exact;
    for (const Neighbor& neighbor : possible) {
      exact.push_back(Distance(metric(), query, data.rows[neighbor.slot / 3]));
    }
    std::sort(exact.begin(), exact.end());
    ASSERT_GE(exact.size(), 10u);
    EXPECT_LE(exact.size(), precision() == VectorPrecision::kFloat32 ? 10 : 60);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_NEAR(exact[i], expected[i].first, 1e-5);
    }
  }
  EXPECT_GE(found, 196u) << "of 200";
}

TEST_P(VectorIndexConformanceTest, EqualDistancesAreOrderedBySlot) {
  auto index = Create(2);
  for (const Slot slot : {9, 4, 7, 1}) {
    ASSERT_THAT(index->Add(slot, {1, 0}), IsOk());
  }
  Settle(*index);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto neighbors, index->Search({1, 0}, {}));
  EXPECT_THAT(SlotsOf(neighbors), ElementsAre(1, 4, 7, 9));
}

TEST_P(VectorIndexConformanceTest, GivesAsManyAsThereAre) {
  auto index = Create(2);
  for (Slot slot = 0; slot < 100; ++slot) {
    ASSERT_THAT(index->Add(slot, {1.0f, static_cast<float>(slot)}), IsOk());
  }
  Settle(*index);
  for (const size_t k : {1, 99, 100, 101, 10'000}) {
    SearchOptions options;
    options.k = k;
    EXPECT_THAT(index->Search({1, 1}, options),
                IsOkAndHolds(SizeIs(std::min<size_t>(k, 100))));
  }
}

TEST_P(VectorIndexConformanceTest, EqualVectorsAreAllFound) {
  auto index = Create(4);
  for (Slot slot = 0; slot < kRows; ++slot) {
    ASSERT_THAT(index->Add(slot, {1, 2, 3, slot % 10 != 0 ? 4.0f : 5.0f}),
                IsOk());
  }
  Settle(*index);
  SearchOptions options;
  options.k = kRows;
  EXPECT_THAT(index->Search({1, 2, 3, 4}, options),
              IsOkAndHolds(SizeIs(kRows)));
}

TEST_P(VectorIndexConformanceTest, RemovedVectorsAreNotFoundAndMayComeBack) {
  auto index = Create(2);
  for (Slot slot = 0; slot < 60; ++slot) {
    ASSERT_THAT(index->Add(slot, {1.0f, static_cast<float>(slot)}), IsOk());
  }
  Settle(*index);
  for (Slot slot = 0; slot < 60; slot += 2) {
    EXPECT_THAT(index->Remove(slot), IsOk());
  }
  EXPECT_EQ(index->size(), 30u);
  EXPECT_FALSE(index->Contains(0));
  EXPECT_TRUE(index->Contains(1));
  SearchOptions options;
  options.k = 60;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto odd, index->Search({1, 1}, options));
  EXPECT_THAT(odd, SizeIs(30));
  for (const Neighbor& neighbor : odd) EXPECT_EQ(neighbor.slot % 2, 1u);

  // Another vector in an old slot.
  ASSERT_THAT(index->Add(0, {-1, 0}), IsOk());
  options.k = 1;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto back,
                               index->Search({-1, 0}, options));
  EXPECT_THAT(SlotsOf(back), ElementsAre(0));
  Settle(*index);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto settled,
                               index->Search({-1, 0}, options));
  EXPECT_THAT(SlotsOf(settled), ElementsAre(0));
  EXPECT_EQ(index->size(), 31u);
}

TEST_P(VectorIndexConformanceTest, ResultsLieInTheAllowedSetAndAreNeverShort) {
  auto index = Create();
  const ClusteredVectors data = MakeClusteredVectors(kRows, kDimension, 3, 5);
  for (size_t i = 0; i < data.rows.size(); ++i) {
    ASSERT_THAT(index->Add(static_cast<Slot>(i), data.rows[i]), IsOk());
  }
  Settle(*index);
  std::mt19937 random(4);
  for (const Slot share : {Slot{1}, Slot{10}, Slot{100}, kRows / 2, kRows}) {
    SlotSet allowed;
    for (Slot i = 0; i < share; ++i) allowed.Add(random() % kRows);
    allowed.Add(5000);  // not in the index
    const size_t matches = allowed.Count() - 1;
    SearchOptions options;
    options.k = 20;
    options.allowed = &allowed;
    for (int i = 0; i < 5; ++i) {
      DIPTYCH_ASSERT_OK_AND_ASSIGN(
          const auto neighbors,
          index->Search(data.rows[random() % kRows], options));
      EXPECT_THAT(neighbors, SizeIs(std::min<size_t>(20, matches)));
      for (const Neighbor& neighbor : neighbors) {
        EXPECT_TRUE(allowed.Contains(neighbor.slot));
      }
    }
  }
  const SlotSet none;
  SearchOptions options;
  options.allowed = &none;
  EXPECT_THAT(index->Search(data.rows[0], options), IsOkAndHolds(IsEmpty()));
}

TEST_P(VectorIndexConformanceTest, DistanceMaxCutsTheEnd) {
  auto index = Create(2);
  for (Slot slot = 0; slot < 40; ++slot) {
    ASSERT_THAT(index->Add(slot, {1.0f, 0.1f * static_cast<float>(slot)}),
                IsOk());
  }
  Settle(*index);
  SearchOptions options;
  options.k = 40;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto all, index->Search({1, 1}, options));
  options.distance_max = all[7].distance;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto near, index->Search({1, 1}, options));
  const size_t expected =
      std::count_if(all.begin(), all.end(), [&](const Neighbor& neighbor) {
        return neighbor.distance - neighbor.error <= all[7].distance;
      });
  EXPECT_THAT(near, SizeIs(expected));
  EXPECT_GE(near.size(), 8u);
}

TEST_P(VectorIndexConformanceTest, RefusesBadInputAndStaysAsItWas) {
  auto index = Create(2);
  ASSERT_THAT(index->Add(1, {1, 2}), IsOk());
  EXPECT_THAT(index->Add(1, {3, 4}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("1")));
  EXPECT_THAT(index->Add(2, {1, 2, 3}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(index->Add(2, {1, std::numeric_limits<float>::infinity()}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(index->Remove(2), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(index->Search({1}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(index->Search({1, std::nanf("")}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  SearchOptions options;
  options.k = 0;
  EXPECT_THAT(index->Search({1, 2}, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("k")));
  EXPECT_EQ(index->size(), 1u);
  EXPECT_THAT(index->Search({1, 2}, {}), IsOkAndHolds(SizeIs(1)));
}

TEST_P(VectorIndexConformanceTest, ZeroVectorHasADistanceInEveryMetric) {
  auto index = Create(2);
  ASSERT_THAT(index->Add(1, {0, 0}), IsOk());
  Settle(*index);
  const float expected = metric() == Metric::kSquaredL2 ? 25.0f : 1.0f;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto found, index->Search({5, 0}, {}));
  EXPECT_THAT(SlotsOf(found), ElementsAre(1));
  EXPECT_NEAR(found[0].distance, expected, 1e-5);
}

TEST_P(VectorIndexConformanceTest, CountsItsMemory) {
  auto index = Create(64);
  const size_t before = index->memory_bytes();
  const ClusteredVectors data = MakeClusteredVectors(300, 64, 5, 5);
  for (size_t i = 0; i < data.rows.size(); ++i) {
    ASSERT_THAT(index->Add(static_cast<Slot>(i), data.rows[i]), IsOk());
  }
  Settle(*index);
  const size_t component_bytes = precision() == VectorPrecision::kInt8 ? 1
                                 : precision() == VectorPrecision::kBfloat16
                                     ? 2
                                     : 4;
  EXPECT_GE(index->memory_bytes(), before + 300 * 64 * component_bytes);
}

std::string NameOf(
    const ::testing::TestParamInfo<VectorIndexConformanceTest::ParamType>&
        info) {
  const Metric metric = std::get<0>(info.param);
  const VectorPrecision precision = std::get<1>(info.param);
  return std::get<2>(info.param).name +
         (metric == Metric::kCosine      ? "Cosine"
          : metric == Metric::kSquaredL2 ? "SquaredL2"
                                         : "InnerProduct") +
         (precision == VectorPrecision::kInt8       ? "Int8"
          : precision == VectorPrecision::kBfloat16 ? "Bfloat16"
                                                    : "Float32");
}

INSTANTIATE_TEST_SUITE_P(
    All, VectorIndexConformanceTest,
    ::testing::Combine(::testing::Values(Metric::kCosine, Metric::kSquaredL2,
                                         Metric::kInnerProduct),
                       ::testing::Values(VectorPrecision::kFloat32,
                                         VectorPrecision::kBfloat16,
                                         VectorPrecision::kInt8),
                       ::testing::ValuesIn(Implementations())),
    NameOf);

}  // namespace
}  // namespace diptych::storage
