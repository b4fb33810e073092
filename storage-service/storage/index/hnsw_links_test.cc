#include "storage/index/hnsw_links.h"

#include <cstring>
#include <set>

#include "common/testing/status_matchers.h"
#include "storage/index/clustered_vectors.h"

// As hnsw_links.cc includes it, because the linker merges the two.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

#if defined(__SANITIZE_THREAD__)
// hnswlib's own insertion has a mutex per row and takes them in varying order.
// One thread inserts here, so that is harmless, but ThreadSanitizer's search
// for lock cycles reports it, without a stack that a suppression could name.
// Data races are found as ever.
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
#endif

namespace diptych::storage {
namespace {

constexpr size_t kRows = 1'500;
constexpr size_t kDimension = 24;

struct RowDistance {
  const VectorRows* rows;
  DistanceFunction distance;
};

uint32_t RowOf(const void* element) {
  uint32_t row;
  std::memcpy(&row, element, sizeof(row));
  return row;
}

float DistanceOfRows(const void* a, const void* b, const void* parameter) {
  const auto& of = *static_cast<const RowDistance*>(parameter);
  return of.distance(of.rows->row(RowOf(a)), of.rows->row(RowOf(b)));
}

class RowSpace final : public hnswlib::SpaceInterface<float> {
 public:
  explicit RowSpace(RowDistance distance) : distance_(distance) {}
  size_t get_data_size() override { return sizeof(uint32_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return &DistanceOfRows; }
  void* get_dist_func_param() override { return &distance_; }

 private:
  RowDistance distance_;
};

// Of a row's links in hnswlib's own graph, how many ours has, too.
TEST(HnswLinksTest, AreThoseThatHnswlibMakes) {
  const ClusteredVectors data = MakeClusteredVectors(kRows, kDimension, 1, 10);
  VectorRows rows(kDimension * sizeof(float), kRows);
  for (size_t i = 0; i < kRows; ++i) {
    rows.Append(static_cast<Slot>(i), data.rows[i].data());
  }
  const DistanceFunction distance(Metric::kSquaredL2, kDimension);
  HnswSettings settings;
  settings.max_neighbors = 8;
  settings.ef_construction = 60;
  constexpr uint64_t kSeed = 7;
  const std::atomic<bool> cancelled{false};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const HnswLinks links,
      BuildHnswLinks(rows, distance, settings, kSeed, cancelled));

  RowSpace space({&rows, distance});
  hnswlib::HierarchicalNSW<float> plain(&space, kRows, settings.max_neighbors,
                                        settings.ef_construction, kSeed);
  for (uint32_t row = 0; row < kRows; ++row) plain.addPoint(&row, row);

  ASSERT_EQ(links.layers.size(), static_cast<size_t>(plain.maxlevel_) + 1);
  const HnswLinks::Layer& top = links.layers.back();
  EXPECT_EQ(top.rows[links.entry_node], plain.enterpoint_node_);
  size_t expected_count = 0, ours = 0, common = 0;
  for (uint32_t row = 0; row < kRows; ++row) {
    auto* list = plain.get_linklist0(row);
    const std::set<uint32_t> expected(list + 1,
                                      list + 1 + plain.getListCount(list));
    expected_count += expected.size();
    for (const uint32_t neighbor : links.layers[0].NeighborsOf(row)) {
      ++ours;
      common += expected.count(neighbor);
    }
  }
  // Expanding several rows at once finds a nearer one now and then.
  EXPECT_GE(static_cast<double>(common),
            0.97 * static_cast<double>(expected_count));
  EXPECT_GE(static_cast<double>(common), 0.97 * static_cast<double>(ours));
}

TEST(HnswLinksTest, LayersAreConsistent) {
  const ClusteredVectors data = MakeClusteredVectors(kRows, kDimension, 1, 10);
  VectorRows rows(kDimension * sizeof(float), kRows);
  for (size_t i = 0; i < kRows; ++i) {
    rows.Append(static_cast<Slot>(i), data.rows[i].data());
  }
  HnswSettings settings;
  settings.max_neighbors = 4;
  const std::atomic<bool> cancelled{false};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const HnswLinks links,
      BuildHnswLinks(rows, DistanceFunction(Metric::kSquaredL2, kDimension),
                     settings, 1, cancelled));
  ASSERT_GT(links.layers.size(), 2u);
  for (size_t level = 0; level < links.layers.size(); ++level) {
    const HnswLinks::Layer& layer = links.layers[level];
    const size_t nodes = layer.offsets.size() - 1;
    EXPECT_EQ(nodes, level == 0 ? kRows : layer.rows.size());
    for (uint32_t node = 0; node < nodes; ++node) {
      const auto neighbors = layer.NeighborsOf(node);
      EXPECT_LE(neighbors.size(), level == 0 ? 8u : 4u);
      const std::set<uint32_t> different(neighbors.begin(), neighbors.end());
      EXPECT_EQ(different.size(), neighbors.size());
      EXPECT_EQ(different.count(node), 0u);
      for (const uint32_t neighbor : different) EXPECT_LT(neighbor, nodes);
      if (level == 0) continue;
      const HnswLinks::Layer& below = links.layers[level - 1];
      EXPECT_EQ(layer.rows[node],
                level == 1 ? layer.below[node] : below.rows[layer.below[node]]);
    }
  }
}

}  // namespace
}  // namespace diptych::storage
