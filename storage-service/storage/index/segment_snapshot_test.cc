#include "storage/index/segment_snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/index/clustered_vectors.h"
#include "storage/index/links_snapshot.h"
#include "storage/section_file/file_system.h"

namespace diptych::storage {
namespace {

constexpr size_t kRows = 400;
constexpr size_t kDimension = 40;

// A file with one section of the name "it".
class SnapshotFile {
 public:
  template <typename Write>
  explicit SnapshotFile(Write write) {
    auto file = FileSystem::System().Create(directory_.path() / "file");
    EXPECT_THAT(file.status(), IsOk());
    SectionWriter writer(*std::move(file), {1, 2});
    writer.BeginSection("it");
    write(writer);
    EXPECT_THAT(writer.Finish(), IsOk());
    auto readable = FileSystem::System().Open(directory_.path() / "file");
    EXPECT_THAT(readable.status(), IsOk());
    auto opened = SectionFile::Open(*std::move(readable));
    EXPECT_THAT(opened.status(), IsOk());
    file_ = *std::move(opened);
  }
  SectionReader Reader() const { return *file_->Section("it"); }
  std::string Content() const {
    SectionReader reader = Reader();
    std::string content(reader.remaining(), '\0');
    EXPECT_TRUE(reader.Bytes(content.data(), content.size()));
    return content;
  }

 private:
  TempDirectory directory_;
  std::shared_ptr<const SectionFile> file_;
};

class MapSource final : public VectorSource {
 public:
  absl::Status Read(
      absl::Span<const Slot> slots,
      absl::FunctionRef<void(size_t position, absl::Span<const float> vector)>
          visit) override {
    for (size_t i = 0; i < slots.size(); ++i) {
      if (i > 0) {
        EXPECT_LT(slots[i - 1], slots[i]);
      }
      const auto found = vectors.find(slots[i]);
      if (found != vectors.end()) visit(i, found->second);
    }
    return absl::OkStatus();
  }

  std::map<Slot, std::vector<float>> vectors;
};

// One segment with a graph, one without, over vectors of which some are dead.
class SegmentSnapshotTest
    : public ::testing::TestWithParam<std::tuple<VectorPrecision, Metric>> {
 protected:
  SegmentSnapshotTest()
      : options_(MakeOptions()),
        distance_(options_.metric, kDimension, options_.precision) {
    const ClusteredVectors made = MakeClusteredVectors(kRows, kDimension, 1);
    auto rows = std::make_shared<VectorRows>(encoding().row_bytes(), kRows);
    auto fresh = std::make_shared<VectorRows>(encoding().row_bytes(), kRows);
    // Slots do not ascend where segments were merged after replacements.
    for (size_t i = 0; i < kRows; ++i) {
      const auto slot = static_cast<Slot>(i < 300 ? (i * 7) % 300 : 10 * i);
      auto prepared =
          PrepareVector(options_.metric, kDimension, made.rows[i]).value();
      std::vector<std::byte> row(encoding().row_bytes());
      encoding().Encode(prepared.data(), row.data());
      (i < 300 ? rows : fresh)->Append(slot, row.data());
      if (i % 9 == 4) {
        (i < 300 ? rows->MarkDead(i) : fresh->MarkDead(i - 300));
      } else {
        source_.vectors[slot] = made.rows[i];
        live_.Add(slot);
      }
    }
    Segment built;
    built.rows = rows;
    built.directory = std::make_shared<const SlotDirectory>(*rows);
    const std::atomic<bool> cancelled{false};
    built.graph =
        HnswGraph::Build(rows, distance_, options_.hnsw, 1, cancelled).value();
    segments_ = {built, {fresh, nullptr, nullptr}};
  }

  static VectorIndexOptions MakeOptions() {
    VectorIndexOptions options;
    options.dimension = kDimension;
    std::tie(options.precision, options.metric) = GetParam();
    return options;
  }
  const VectorEncoding& encoding() const { return distance_.encoding(); }

  absl::StatusOr<LoadedSegments> Load(const SnapshotFile& file) {
    SectionReader reader = file.Reader();
    return LoadSegments(options_, distance_, live_, source_, reader);
  }
  SnapshotFile Save() const {
    return SnapshotFile([this](SectionWriter& writer) {
      SaveSegments(options_, encoding(), segments_, live_, writer);
    });
  }

  const VectorIndexOptions options_;
  const DistanceFunction distance_;
  MapSource source_;
  SlotSet live_;
  Segments segments_;
};

TEST_P(SegmentSnapshotTest, GivesBackTheSameRowsAndLinks) {
  const SnapshotFile file = Save();
  auto loaded = Load(file);
  ASSERT_THAT(loaded.status(), IsOk());
  EXPECT_TRUE(loaded->missing.empty());
  ASSERT_EQ(loaded->built.size(), 1u);
  const VectorRows& before = *segments_[0].rows;
  const VectorRows& after = *loaded->built[0].rows;
  ASSERT_EQ(after.count(), before.count());
  for (size_t row = 0; row < before.count(); ++row) {
    EXPECT_EQ(after.slot(row), before.slot(row));
    EXPECT_EQ(after.IsDead(row), before.IsDead(row));
    EXPECT_EQ(std::memcmp(after.row(row), before.row(row), before.row_bytes()),
              0)
        << row;
  }
  const HnswLinks& links_before = segments_[0].graph->links();
  const HnswLinks& links_after = loaded->built[0].graph->links();
  ASSERT_EQ(links_after.layers.size(), links_before.layers.size());
  EXPECT_EQ(links_after.entry_node, links_before.entry_node);
  for (size_t i = 0; i < links_before.layers.size(); ++i) {
    const HnswLinks::Layer& a = links_before.layers[i];
    const HnswLinks::Layer& b = links_after.layers[i];
    EXPECT_EQ(a.offsets, b.offsets);
    EXPECT_EQ(a.neighbors, b.neighbors);
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.below, b.below);
  }
  // Of rows without a graph, the live ones.
  ASSERT_EQ(loaded->fresh.size(), 1u);
  const VectorRows& fresh = *segments_[1].rows;
  size_t position = 0;
  for (size_t row = 0; row < fresh.count(); ++row) {
    if (fresh.IsDead(row)) continue;
    ASSERT_LT(position, loaded->fresh[0]->count());
    EXPECT_EQ(loaded->fresh[0]->slot(position), fresh.slot(row));
    EXPECT_EQ(std::memcmp(loaded->fresh[0]->row(position), fresh.row(row),
                          fresh.row_bytes()),
              0);
    ++position;
  }
  EXPECT_EQ(position, loaded->fresh[0]->count());
}

TEST_P(SegmentSnapshotTest, HoldsNoRowThatTheSourceHas) {
  const size_t graph_dead = segments_[0].rows->dead_count();
  ASSERT_GT(graph_dead, 0u);
  const size_t content = Save().Content().size();
  const size_t dead_bytes = graph_dead * encoding().row_bytes();
  EXPECT_GT(content, dead_bytes);
  // Slots, degrees and links.
  EXPECT_LT(content, dead_bytes + kRows * 60);
}

TEST_P(SegmentSnapshotTest, ASlotThatTheSourceLacksIsDeadAndLeadsOn) {
  const SnapshotFile file = Save();
  const SlotSet lost({3, 17, 3500});
  for (const Slot slot : lost.ToVector()) {
    ASSERT_TRUE(live_.Contains(slot));
    source_.vectors.erase(slot);
  }
  auto loaded = Load(file);
  ASSERT_THAT(loaded.status(), IsOk());
  EXPECT_EQ(loaded->missing, lost);
  const Segment& built = loaded->built[0];
  for (size_t row = 0; row < built.rows->count(); ++row) {
    if (!lost.Contains(built.rows->slot(row))) continue;
    EXPECT_TRUE(built.rows->IsDead(row));
    bool of_a_neighbor = false;
    for (const uint32_t neighbor : built.graph->links().layers[0].NeighborsOf(
             static_cast<uint32_t>(row))) {
      of_a_neighbor =
          of_a_neighbor ||
          std::memcmp(built.rows->row(row), built.rows->row(neighbor),
                      built.rows->row_bytes()) == 0;
    }
    EXPECT_TRUE(of_a_neighbor);
  }
}

// Whatever passes the checksums: refused, or a graph within its rows.
TEST_P(SegmentSnapshotTest, ContentOfAnyFormIsHarmless) {
  const std::string whole = Save().Content();
  std::mt19937_64 random(2);
  size_t refused = 0;
  for (int i = 0; i < 60; ++i) {
    std::string content = whole;
    if (i % 3 == 0) {
      content.resize(random() % content.size());
    } else {
      // The first bytes say how much there is of everything.
      const size_t end = i % 3 == 1 ? 80 : content.size();
      content[random() % end] ^= static_cast<char>(1 << (random() % 8));
    }
    const SnapshotFile file([&](SectionWriter& writer) {
      writer.Bytes(content.data(), content.size());
    });
    auto loaded = Load(file);
    if (!loaded.ok()) {
      ++refused;
      continue;
    }
    for (const Segment& segment : loaded->built) {
      const std::vector<std::byte> query(encoding().row_bytes());
      segment.graph->Search(query.data(), 10, nullptr, 1000);
    }
  }
  EXPECT_GE(refused, 20u);
}

INSTANTIATE_TEST_SUITE_P(
    All, SegmentSnapshotTest,
    ::testing::Values(std::tuple(VectorPrecision::kFloat32, Metric::kCosine),
                      std::tuple(VectorPrecision::kBfloat16,
                                 Metric::kSquaredL2),
                      std::tuple(VectorPrecision::kInt8, Metric::kInnerProduct),
                      std::tuple(VectorPrecision::kInt8, Metric::kCosine)));

TEST(LinksSnapshotTest, EveryWidthOfNumbersComesBack) {
  std::mt19937_64 random(1);
  for (const size_t nodes : {1, 2, 3, 4, 5, 64, 65, 1000, 70'000}) {
    HnswLinks links;
    HnswLinks::Layer layer;
    layer.offsets.push_back(0);
    for (size_t node = 0; node < nodes; ++node) {
      const size_t degree = nodes == 1 ? 0 : random() % 7;
      for (size_t i = 0; i < degree; ++i) {
        layer.neighbors.push_back(static_cast<uint32_t>(random() % nodes));
      }
      layer.offsets.push_back(static_cast<uint32_t>(layer.neighbors.size()));
    }
    // The greatest number there can be, too.
    if (!layer.neighbors.empty()) layer.neighbors.back() = nodes - 1;
    links.layers.push_back(layer);
    links.entry_node = static_cast<uint32_t>(nodes - 1);
    const SnapshotFile file(
        [&](SectionWriter& writer) { SaveLinks(links, writer); });
    HnswLinks loaded;
    SectionReader reader = file.Reader();
    ASSERT_TRUE(LoadLinks(nodes, reader, loaded)) << reader.status();
    EXPECT_THAT(reader.Finish(), IsOk());
    EXPECT_EQ(loaded.layers[0].offsets, layer.offsets);
    EXPECT_EQ(loaded.layers[0].neighbors, layer.neighbors);
    EXPECT_EQ(loaded.entry_node, links.entry_node);
  }
}

TEST(LinksSnapshotTest, NumbersInAnyOrderComeBack) {
  const std::vector<uint32_t> numbers = {0,   1,          2,          7, 3,  0,
                                         ~0u, 0x80000000, 0x7fffffff, 0, ~0u};
  const SnapshotFile file(
      [&](SectionWriter& writer) { SaveDistances(numbers, writer); });
  std::vector<uint32_t> loaded;
  SectionReader reader = file.Reader();
  ASSERT_TRUE(LoadDistances(numbers.size(), reader, loaded));
  EXPECT_EQ(loaded, numbers);
}

}  // namespace
}  // namespace diptych::storage
