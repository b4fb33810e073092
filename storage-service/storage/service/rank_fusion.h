// Makes one ranking out of several, with the two formulas that Weaviate's
// hybrid search has (weaviate, usecases/traverser/hybrid/hybrid_fusion.go).
//
// Concurrency: pure functions. Limits: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace diptych::storage {

enum class FusionMethod : uint8_t {
  // An object gets weight / (60 + rank) from each ranking it is in; the first
  // one's rank is 0.
  kReciprocalRank = 1,
  // An object gets weight * (score - min) / (max - min) from each ranking it is
  // in, with that ranking's least and greatest score; weight where they are
  // equal.
  kRelativeScore = 2,
};

struct ScoredId {
  std::string id;
  double score = 0;  // greater is better
  friend bool operator==(const ScoredId&, const ScoredId&) = default;
};

struct WeightedRanking {
  std::vector<ScoredId> objects;  // best first, ids unique
  double weight = 1;
};

// Best first, equal scores by id.
std::vector<ScoredId> FuseRankings(absl::Span<const WeightedRanking> rankings,
                                   FusionMethod method);

}  // namespace diptych::storage
