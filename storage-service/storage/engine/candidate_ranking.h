// Ranks what an index found by the stored vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/index/slot_set.h"
#include "storage/index/vector_index.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// By as much may a distance of the index, which is computed in float32, differ
// from the one in double, relative to the size of the distance. What compact
// rows are off by, the index says itself (Neighbor::error).
inline constexpr double kDistanceSlack = 1e-4;

struct RankedSlot {
  double distance = 0;  // in full precision
  Slot slot = 0;
};

struct CandidateRanking {
  Metric metric = Metric::kCosine;
  VectorPrecision precision = VectorPrecision::kFloat32;
  uint8_t space = 0;
  absl::Span<const float> query;
  // So many nearest ones will be looked at; 1 or more.
  size_t wanted = 0;
  std::optional<double> distance_max;
};

// Those of `candidates` (nearest first, as an index gives them) that are not
// `excluded` and within distance_max, in no order: all that may be among the
// `wanted` nearest, those as far as the last of them included.
//
// Operation: reads the candidates' vectors one after the other. Once `wanted`
// true distances are known, a candidate that is surely farther than all of
// these, by its distance in the index and by how much that can be off, is
// passed over: its vector is not read. The answer is that of reading them all.
// Concurrency: as the transaction.
// Limits: inner products of float32 rows say nothing of how much they are off;
// all of these are read.
// Errors: nullopt: a candidate's object is gone. DATA_LOSS: a vector that is
// needed is damaged.
absl::StatusOr<std::optional<std::vector<RankedSlot>>> RankCandidates(
    ReadTransaction& transaction, const CandidateRanking& ranking,
    absl::Span<const Neighbor> candidates, const SlotSet& excluded);

}  // namespace diptych::storage
