// The links of an HNSW graph (https://arxiv.org/abs/1603.09320) in compact
// form, and how they are made.
//
// Operation: the rows are inserted one after the other into a graph of hnswlib
// with loops of our own (docs/decisions/0026-own-insertion-loops.md), which
// look at the vectors where they lie; then its links are copied here and it is
// thrown away. hnswlib is included by hnsw_links.cc only.
// Concurrency: BuildHnswLinks may run in any number of threads at once; the
// rows must not grow meanwhile.
// Limits: 2^32 - 1 rows. While building, some 200 bytes per row on top of the
// result; single-threaded, so that the same rows, settings and seed make the
// same graph.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/index/distance_function.h"
#include "storage/index/vector_rows.h"

namespace diptych::storage {

struct HnswLinks {
  // Nodes of a layer are numbered from 0 by ascending row.
  struct Layer {
    // Neighbours of node i: neighbors[offsets[i]] to neighbors[offsets[i + 1]],
    // as nodes of this layer.
    std::vector<uint32_t> offsets;
    std::vector<uint32_t> neighbors;
    // By node; both empty on layer 0, where the node is the row.
    std::vector<uint32_t> rows;
    std::vector<uint32_t> below;  // the same row's node in the layer below

    absl::Span<const uint32_t> NeighborsOf(uint32_t node) const {
      return absl::MakeConstSpan(neighbors.data() + offsets[node],
                                 offsets[node + 1] - offsets[node]);
    }
    // Asks for the list before it is read.
    void PrefetchNeighborsOf(uint32_t node) const {
      const uint32_t* list = neighbors.data() + offsets[node];
      __builtin_prefetch(list);
      __builtin_prefetch(list + 16);
    }
  };

  std::vector<Layer> layers;  // [0] holds every row
  uint32_t entry_node = 0;    // of the last layer

  size_t memory_bytes() const;
};

// CANCELLED: *cancelled became true. RESOURCE_EXHAUSTED: not enough memory.
// INTERNAL: hnswlib gave up. There must be a row.
absl::StatusOr<HnswLinks> BuildHnswLinks(const VectorRows& rows,
                                         const DistanceFunction& distance,
                                         const HnswSettings& settings,
                                         uint64_t seed,
                                         const std::atomic<bool>& cancelled);

}  // namespace diptych::storage
