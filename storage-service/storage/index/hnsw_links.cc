#include "storage/index/hnsw_links.h"

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "absl/strings/str_cat.h"

// hnswlib's own kernels and prefetches are of no use here, because its elements
// are row numbers, and its prefetches read beyond its lists.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

#if defined(__SANITIZE_THREAD__)
// hnswlib has a mutex per row and takes them in varying order. A graph is built
// by one thread, so that is harmless, but ThreadSanitizer's search for lock
// cycles reports it, without a stack that a suppression could name, and takes
// minutes. Data races are found as ever.
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
#endif

namespace diptych::storage {
namespace {

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

using Graph = hnswlib::HierarchicalNSW<float>;

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
      edges += *reinterpret_cast<unsigned short*>(
          graph.get_linklist_at_level(row, level));
    }
    layer.offsets.reserve(rows.size() + 1);
    layer.neighbors.reserve(edges);
    layer.offsets.push_back(0);
    for (const uint32_t row : rows) {
      // A list is its length in the first two bytes of a word, then the rows.
      const hnswlib::linklistsizeint* list =
          graph.get_linklist_at_level(row, level);
      const size_t size = *reinterpret_cast<const unsigned short*>(list);
      for (size_t i = 1; i <= size; ++i) {
        layer.neighbors.push_back(node_of_row[list[i]]);
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
    RowSpace space({&rows, distance});
    Graph graph(&space, count, settings.max_neighbors, settings.ef_construction,
                seed);
    for (size_t row = 0; row < count; ++row) {
      if (cancelled.load(std::memory_order_relaxed)) {
        return absl::CancelledError("building the graph was cancelled");
      }
      const auto element = static_cast<uint32_t>(row);
      graph.addPoint(&element, row);
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
