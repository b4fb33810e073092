// Maximal marginal relevance: picks objects that are near the query and unlike
// each other (Carbonell and Goldstein, 1998), with Weaviate's formula
// (weaviate, adapters/repos/db/vector/selection/mmr.go).
//
// Concurrency: pure function. Limits: costs count * candidates distances.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

struct MarginalRelevanceCandidate {
  double query_distance = 0;
  absl::Span<const float> vector;  // all equally long
};

struct MarginalRelevanceOptions {
  Metric metric = Metric::kCosine;
  double lambda = 1;  // 0: variety only, 1: nearness only
  size_t count = 0;
};

// Positions of the picked among `candidates` (nearest first), in the order of
// picking; as many as `count`, or all where there are fewer. The first is the
// nearest; then again and again the one with the greatest
//   (1 - lambda) * min_j distance(i, picked_j) - lambda * distance(query, i),
// of equals the nearest. `proceed` is asked before each pick; its error ends
// the picking and is returned.
absl::StatusOr<std::vector<size_t>> PickByMarginalRelevance(
    absl::Span<const MarginalRelevanceCandidate> candidates,
    const MarginalRelevanceOptions& options,
    const std::function<absl::Status()>& proceed);

}  // namespace diptych::storage
