// What finds the nearest vectors of one vector space.
//
// Operation: vectors are named by slots. A slot holds at most one vector; it
// may be added again after it was removed. Distances are those of Metric;
// under cosine, vectors are normalised on the way in, so a zero vector has
// distance 1 to everything.
//
// An index of a compact precision (bfloat16, int8) keeps rounded vectors alone,
// so its distances and their order are near the true ones, and every result
// says how near (Neighbor::error). Whoever has the full vectors asks for
// RerankCandidates(precision, k) results, computes their true distances and
// keeps the first k.
//
// Concurrency: any thread may call any method. A search sees every Add and
// Remove that had returned when it began, and may or may not see those that run
// beside it.
// Limits: dimension 1 to 16,384, fixed at construction; 2^32 - 1 slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/index/slot_set.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

struct VectorIndexOptions {
  Metric metric = Metric::kCosine;
  uint32_t dimension = 0;
  HnswSettings hnsw;
  VectorPrecision precision = VectorPrecision::kFloat32;
};

// How many results to ask for so that the k truly nearest are among them: k for
// float32; else 3 k, and 30 at least. On clustered vectors of 512 components
// recall is then that of float32 (docs/performance.md).
size_t RerankCandidates(VectorPrecision precision, size_t k);

// INVALID_ARGUMENT: a value out of range, named by its field.
absl::Status ValidateVectorIndexOptions(const VectorIndexOptions& options);

// The errors that every index answers with.
absl::Status SlotExists(Slot slot);
absl::Status SlotNotFound(Slot slot);

struct Neighbor {
  Slot slot = 0;
  float distance = 0;
  // The true distance is distance +- error at most; 0 for float32, whose
  // rounding is left out.
  float error = 0;
  friend bool operator==(const Neighbor&, const Neighbor&) = default;
};

// Nearer first; equal distances by slot.
inline bool operator<(const Neighbor& a, const Neighbor& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}

// What a search did, for metrics and for tests.
struct SearchStatistics {
  size_t rows_scanned = 0;     // distances computed by exact scans
  size_t graph_visits = 0;     // distances computed while walking graphs
  size_t graph_searches = 0;   // segments answered by their graph
  size_t graph_fallbacks = 0;  // graph searches given up for a scan
};

// How a segment is searched.
enum class SegmentPlan : uint8_t {
  kCheapest,  // by the estimated costs
  kScan,      // for tests and benchmarks: never by a graph
  kGraph,     // for tests and benchmarks: by the graph, if there is one
};

struct SearchOptions {
  // At most this many results; 1 or more.
  size_t k = 10;
  // Candidates kept while walking a graph: more is slower and finds more. 0:
  // the index's own ef_search. Never less than k.
  size_t ef = 0;
  // Compare with every matching vector instead of walking graphs. With a
  // compact precision the answer holds every vector that may be among the k
  // nearest, which can be more than k.
  bool exact = false;
  SegmentPlan plan = SegmentPlan::kCheapest;
  // Only these slots; null: all. Must outlive the call.
  const SlotSet* allowed = nullptr;
  // Only distances <= this; with a compact precision, also those that may be.
  std::optional<float> distance_max;
  // Added to, where not null.
  SearchStatistics* statistics = nullptr;
};

class VectorIndex {
 public:
  virtual ~VectorIndex() = default;

  // INVALID_ARGUMENT: wrong dimension, NaN or infinity. ALREADY_EXISTS: the
  // slot holds a vector. Nothing changes then. When it returns OK, searches
  // find the vector.
  virtual absl::Status Add(Slot slot, absl::Span<const float> vector) = 0;

  // NOT_FOUND: the slot holds no vector. When it returns OK, searches do not
  // find it any more.
  virtual absl::Status Remove(Slot slot) = 0;

  // The nearest vectors, sorted by (distance, slot). There are min(k, matches)
  // of them, where a match is a live, allowed vector within distance_max; with
  // `exact` (or an index without graphs) they are the nearest ones, else nearly
  // always. With distance_max, an inexact search may also miss matches at the
  // rim. INVALID_ARGUMENT: wrong dimension, NaN or infinity, k = 0.
  virtual absl::StatusOr<std::vector<Neighbor>> Search(
      absl::Span<const float> query, const SearchOptions& options) const = 0;

  virtual bool Contains(Slot slot) const = 0;
  // Live vectors.
  virtual size_t size() const = 0;
  // Of vectors, graphs and directories, dead ones included.
  virtual size_t memory_bytes() const = 0;
  virtual const VectorIndexOptions& options() const = 0;
};

}  // namespace diptych::storage
