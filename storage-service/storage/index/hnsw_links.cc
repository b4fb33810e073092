#include "storage/index/hnsw_links.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "storage/index/graph_walk.h"
#include "storage/index/huge_pages.h"

// hnswlib's own kernels are not called.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

namespace diptych::storage {
namespace {

// What hnswlib wants to know of its elements, which are row numbers here. The
// loops below compute distances themselves.
class RowSpace final : public hnswlib::SpaceInterface<float> {
 public:
  size_t get_data_size() override { return sizeof(uint32_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return nullptr; }
  void* get_dist_func_param() override { return nullptr; }
};

// hnswlib's graph with insertion loops of our own: its arrays, levels and entry
// point, and the same rules for links.
class Graph final : public hnswlib::HierarchicalNSW<float> {
 public:
  Graph(RowSpace* space, const VectorRows& rows,
        const DistanceFunction& distance, const HnswSettings& settings,
        uint64_t seed)
      : HierarchicalNSW(space, rows.count(), settings.max_neighbors,
                        settings.ef_construction, seed),
        rows_(rows),
        distance_(distance),
        scratch_(rows.count()) {
    PreferHugePages(data_level0_memory_,
                    max_elements_ * size_data_per_element_);
  }

  // Rows come in ascending order.
  void Insert(uint32_t row);

  absl::Span<const uint32_t> NeighborsOf(uint32_t row, int level) const {
    uint32_t* list = List(row, level);
    return absl::MakeConstSpan(list + 1, getListCount(list));
  }

 private:
  struct Candidate {
    float distance;
    uint32_t row;
    friend bool operator<(const Candidate& a, const Candidate& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
    }
  };

  // A list is its length in the first two bytes of a word, then the rows.
  uint32_t* List(uint32_t row, int level) const {
    return get_linklist_at_level(row, level);
  }
  void SetNeighbors(uint32_t row, int level,
                    const std::vector<Candidate>& neighbors) {
    uint32_t* list = List(row, level);
    setListCount(list, static_cast<unsigned short>(neighbors.size()));
    for (const Candidate& neighbor : neighbors) *++list = neighbor.row;
  }

  // Links of no neighbours at all levels up to `level`.
  void MakeRoom(uint32_t row, int level);
  // Where the upper layers lead to, from the entry point to layer `level`.
  Candidate Descend(const void* vector, int level);
  // Leaves in candidates_ the ef_construction nearest that a walk finds.
  void FindNearest(const void* vector, Candidate start, int level);
  // The first `limit` of candidates_, which are in order, that are nearer to
  // the row than to each other: https://arxiv.org/abs/1603.09320, algorithm 4.
  const std::vector<Candidate>& SelectNeighbors(size_t limit);
  void LinkBack(uint32_t row, uint32_t neighbor, float distance, int level);

  const VectorRows& rows_;
  const DistanceFunction& distance_;
  WalkScratch scratch_;
  std::vector<Candidate> candidates_;
  std::vector<Candidate> selected_;
  std::vector<const std::byte*> selected_addresses_;
};

void Graph::MakeRoom(uint32_t row, int level) {
  std::memset(data_level0_memory_ + row * size_data_per_element_, 0,
              size_data_per_element_);
  if (level > 0) {
    const size_t bytes = size_links_per_element_ * level;
    linkLists_[row] = static_cast<char*>(std::malloc(bytes));
    if (linkLists_[row] == nullptr) throw std::bad_alloc();
    std::memset(linkLists_[row], 0, bytes);
  }
  element_levels_[row] = level;
  cur_element_count = row + size_t{1};
}

Graph::Candidate Graph::Descend(const void* vector, int level) {
  Candidate nearest = {distance_(vector, rows_.row(enterpoint_node_)),
                       enterpoint_node_};
  RowBatch& batch = scratch_.batch;
  for (int above = maxlevel_; above > level; --above) {
    for (bool moved = true; moved;) {
      moved = false;
      batch.count = 0;
      const absl::Span<const uint32_t> neighbors =
          NeighborsOf(nearest.row, above);
      batch.Reserve(neighbors.size() + 1);
      for (const uint32_t neighbor : neighbors) {
        rows_.Prefetch(neighbor);
        batch.AddIf(true, neighbor);
      }
      batch.Compute(rows_, distance_, vector);
      for (size_t i = 0; i < batch.count; ++i) {
        if (batch.distances[i] >= nearest.distance) continue;
        nearest = {batch.distances[i], batch.rows[i]};
        moved = true;
      }
    }
  }
  return nearest;
}

void Graph::FindNearest(const void* vector, Candidate start, int level) {
  scratch_.met.Reset();
  scratch_.met.Meet(start.row);
  scratch_.pool.Reset(ef_construction_);
  scratch_.pool.Offer(start.distance, start.row);
  WalkNearest(
      rows_, distance_, vector,
      [this, level](uint32_t row) { return NeighborsOf(row, level); },
      [this, level](uint32_t row) {
        if (level > 0) return;  // few, and all near at hand
        const uint32_t* list = List(row, 0);
        for (int line = 0; line < 3; ++line) {
          __builtin_prefetch(list + 16 * line);
        }
      },
      scratch_);
  candidates_.clear();
  for (const CandidatePool::Candidate& candidate : scratch_.pool.candidates()) {
    candidates_.push_back({candidate.distance, candidate.row});
  }
}

const std::vector<Graph::Candidate>& Graph::SelectNeighbors(size_t limit) {
  if (candidates_.size() < limit) return candidates_;
  constexpr size_t kTogether = 4;
  selected_.clear();
  selected_addresses_.clear();
  for (const Candidate& candidate : candidates_) {
    if (selected_.size() == limit) break;
    const std::byte* vector = rows_.row(candidate.row);
    bool good = true;
    for (size_t first = 0; good && first < selected_.size();
         first += kTogether) {
      float distances[kTogether];
      const size_t count = std::min(kTogether, selected_.size() - first);
      distance_.Batch(vector, &selected_addresses_[first], count, distances);
      for (size_t i = 0; i < count; ++i) {
        good = good && distances[i] >= candidate.distance;
      }
    }
    if (!good) continue;
    selected_.push_back(candidate);
    selected_addresses_.push_back(vector);
  }
  return selected_;
}

void Graph::LinkBack(uint32_t row, uint32_t neighbor, float distance,
                     int level) {
  uint32_t* list = List(neighbor, level);
  const size_t count = getListCount(list);
  const size_t limit = level == 0 ? maxM0_ : maxM_;
  if (count < limit) {
    list[count + 1] = row;
    setListCount(list, static_cast<unsigned short>(count + 1));
    return;
  }
  RowBatch& batch = scratch_.batch;
  batch.count = 0;
  batch.Reserve(count + 1);
  for (const uint32_t other : NeighborsOf(neighbor, level)) {
    rows_.Prefetch(other);
    batch.AddIf(true, other);
  }
  batch.Compute(rows_, distance_, rows_.row(neighbor));
  candidates_.clear();
  candidates_.push_back({distance, row});
  for (size_t i = 0; i < count; ++i) {
    candidates_.push_back({batch.distances[i], batch.rows[i]});
  }
  std::sort(candidates_.begin(), candidates_.end());
  SetNeighbors(neighbor, level, SelectNeighbors(limit));
}

void Graph::Insert(uint32_t row) {
  const int level = getRandomLevel(mult_);
  MakeRoom(row, level);
  if (row == 0) {
    enterpoint_node_ = row;
    maxlevel_ = level;
    return;
  }
  const std::byte* vector = rows_.row(row);
  Candidate nearest = Descend(vector, level);
  for (int layer = std::min(level, maxlevel_); layer >= 0; --layer) {
    FindNearest(vector, nearest, layer);
    nearest = candidates_.front();
    const std::vector<Candidate> neighbors = SelectNeighbors(M_);
    SetNeighbors(row, layer, neighbors);
    for (const Candidate& neighbor : neighbors) {
      LinkBack(row, neighbor.row, neighbor.distance, layer);
    }
  }
  if (level > maxlevel_) {
    enterpoint_node_ = row;
    maxlevel_ = level;
  }
}

HnswLinks CopyLinks(const Graph& graph) {
  const auto count = static_cast<uint32_t>(graph.cur_element_count);
  HnswLinks links;
  links.layers.resize(graph.maxlevel_ + 1);
  std::vector<uint32_t> node_of_row(count), node_below(count);
  for (int level = 0; level <= graph.maxlevel_; ++level) {
    HnswLinks::Layer& layer = links.layers[level];
    node_of_row.swap(node_below);
    std::vector<uint32_t> rows;
    size_t edges = 0;
    for (uint32_t row = 0; row < count; ++row) {
      if (graph.element_levels_[row] < level) continue;
      node_of_row[row] = static_cast<uint32_t>(rows.size());
      rows.push_back(row);
      edges += graph.NeighborsOf(row, level).size();
    }
    layer.offsets.reserve(rows.size() + 1);
    layer.neighbors.reserve(edges);
    layer.offsets.push_back(0);
    for (const uint32_t row : rows) {
      for (const uint32_t neighbor : graph.NeighborsOf(row, level)) {
        layer.neighbors.push_back(node_of_row[neighbor]);
      }
      layer.offsets.push_back(static_cast<uint32_t>(layer.neighbors.size()));
    }
    if (level == graph.maxlevel_) {
      links.entry_node = node_of_row[graph.enterpoint_node_];
    }
    if (level > 0) {
      layer.below.reserve(rows.size());
      for (const uint32_t row : rows) layer.below.push_back(node_below[row]);
      layer.rows = std::move(rows);
    }
  }
  return links;
}

}  // namespace

size_t HnswLinks::memory_bytes() const {
  size_t words = 0;
  for (const Layer& layer : layers) {
    words += layer.offsets.capacity() + layer.neighbors.capacity() +
             layer.rows.capacity() + layer.below.capacity();
  }
  return words * sizeof(uint32_t);
}

absl::StatusOr<HnswLinks> BuildHnswLinks(const VectorRows& rows,
                                         const DistanceFunction& distance,
                                         const HnswSettings& settings,
                                         uint64_t seed,
                                         const std::atomic<bool>& cancelled) {
  const size_t count = rows.count();
  try {
    RowSpace space;
    Graph graph(&space, rows, distance, settings, seed);
    for (size_t row = 0; row < count; ++row) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return absl::CancelledError("building the graph was cancelled");
      }
      graph.Insert(static_cast<uint32_t>(row));
    }
    return CopyLinks(graph);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "not enough memory to build the graph of a segment; rows: ", count));
  } catch (const std::exception& error) {
    // hnswlib reports a failed malloc as a runtime_error, too.
    return absl::InternalError(
        absl::StrCat("cannot build the graph of a segment; rows: ", count,
                     "; hnswlib says: ", error.what()));
  }
}

}  // namespace diptych::storage
