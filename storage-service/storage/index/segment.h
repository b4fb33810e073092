// One segment of an index: rows, and once they are sealed a directory of their
// slots and a graph.
//
// Operation: segments are values in an immutable list; sealing and building
// make a new value that shares the rows.
// Concurrency: as VectorRows; all else is immutable.
// Limits: see SegmentedIndex.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "storage/index/distance_function.h"
#include "storage/index/hnsw_graph.h"
#include "storage/index/nearest_neighbors.h"
#include "storage/index/possible_neighbors.h"
#include "storage/index/search_reach.h"
#include "storage/index/segmented_index.h"
#include "storage/index/slot_directory.h"
#include "storage/index/vector_rows.h"

namespace diptych::storage {

struct Segment {
  std::shared_ptr<VectorRows> rows;
  std::shared_ptr<const SlotDirectory> directory;  // null: still growing
  std::shared_ptr<const HnswGraph> graph;          // null: not built (yet)

  bool sealed() const { return directory != nullptr; }
  size_t live() const { return rows->count() - rows->dead_count(); }
  double dead_share() const {
    return rows->count() == 0
               ? 0.0
               : static_cast<double>(rows->dead_count()) / rows->count();
  }
  size_t memory_bytes() const;
};

using Segments = std::vector<Segment>;

struct SegmentQuery {
  const void* row = nullptr;  // encoded as the segment's
  size_t ef = 0;              // at least options->k
  const SearchOptions* options = nullptr;
  const DistanceFunction* distance = nullptr;
  const SearchCosts* costs = nullptr;
  // Of `ef`, shared by the segments; null: each finds `ef` rows.
  SearchReach* reach = nullptr;
};

// Offers the segment's nearest matches among its first `count` rows, by the
// cheaper plan (see SegmentedIndex).
void SearchSegment(const Segment& segment, size_t count,
                   const SegmentQuery& query, NearestNeighbors& nearest,
                   SearchStatistics& statistics);

// Offers all matches among the first `count` rows that the collector accepts.
void ScanSegment(const Segment& segment, size_t count,
                 const SegmentQuery& query, PossibleNeighbors& possible,
                 SearchStatistics& statistics);

}  // namespace diptych::storage
