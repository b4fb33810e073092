// A graph over the rows of a sealed segment, and the walk through it.
//
// Operation: greedy descent through the upper layers, then a best-first walk of
// layer 0 that keeps the `ef` nearest rows that match. After building, rows
// that no walk could reach (many equal vectors cut each other off) are linked
// from their nearest reachable row.
// Concurrency: immutable but for a pool of scratch space; any number of
// searches run at once.
// Limits: see HnswLinks. Scratch: 2 bytes per row and concurrent search.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "storage/index/distance_function.h"
#include "storage/index/graph_walk.h"
#include "storage/index/hnsw_links.h"
#include "storage/index/search_reach.h"
#include "storage/index/vector_index.h"
#include "storage/index/vector_rows.h"

namespace diptych::storage {

class HnswGraph {
 public:
  // Errors as BuildHnswLinks. The rows must hold at least one and grow no more.
  static absl::StatusOr<std::unique_ptr<HnswGraph>> Build(
      std::shared_ptr<const VectorRows> rows, const DistanceFunction& distance,
      const HnswSettings& settings, uint64_t seed,
      const std::atomic<bool>& cancelled);
  // Of links that Build made over the same rows.
  static std::unique_ptr<HnswGraph> Restore(
      std::shared_ptr<const VectorRows> rows, const DistanceFunction& distance,
      HnswLinks links);
  ~HnswGraph();

  struct Walk {
    // At most `wanted` live, allowed rows, nearest first.
    std::vector<Neighbor> neighbors;
    size_t visits = 0;
    // False: given up after visits_max distances.
    bool complete = true;
  };
  // `query` is a row of the distance's encoding; ef >= 1; allowed null: all;
  // of the ef nearest rows that it finds, it gives the `wanted` nearest. With
  // `reach` (of the same ef), rows beyond its limit may be missing; a complete
  // walk adds what it has found.
  Walk Search(const void* query, size_t ef, const SlotSet* allowed,
              size_t visits_max,
              size_t wanted = std::numeric_limits<size_t>::max(),
              SearchReach* reach = nullptr) const;

  const HnswLinks& links() const { return links_; }
  size_t memory_bytes() const { return links_.memory_bytes(); }

 private:
  struct Scratch;
  class ScratchLease;
  struct Entry {
    uint32_t row;
    float distance;
  };

  HnswGraph(std::shared_ptr<const VectorRows> rows,
            const DistanceFunction& distance, HnswLinks links);

  // Where the upper layers lead to.
  Entry Descend(const void* query, RowBatch& batch, size_t* visits) const;
  // Leaves the nearest rows in scratch.pool: `ef` of them, or those within
  // `limit` and a few more.
  void WalkAll(const void* query, size_t ef, float limit, Entry entry,
               Scratch& scratch, Walk& walk) const;
  // Leaves the nearest matching rows in scratch.matches.
  void WalkMatching(const void* query, size_t ef, const SlotSet* allowed,
                    size_t visits_max, Entry entry, Scratch& scratch,
                    Walk& walk) const;

  Neighbor Found(const void* query, float distance, uint32_t row) const;
  std::vector<bool> ReachableRows() const;
  void LinkUnreachableRows();
  // Puts the links, which change no more, on huge pages.
  void SettleLinks();

  const std::shared_ptr<const VectorRows> rows_;
  const DistanceFunction distance_;
  HnswLinks links_;

  mutable absl::Mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
