// Runs a query whose vectors are made: searches, and where asked fuses several
// rankings, groups the results or picks various ones.
//
// Operation: a query that is one search and no more goes to the engine as it
// is. Otherwise candidates are searched with no more than is needed of each;
// what is left of them is then read with the caller's projection. An object
// deleted in between is left out. Errors: the engine's. Concurrency: pure
// function; it blocks. Limits: the engine's results_max per search;
// kDiversityCandidatesMax; kFusionPartsMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/engine.h"
#include "storage/engine/requests.h"
#include "storage/service/rank_fusion.h"
#include "storage/types/collection_spec.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

inline constexpr size_t kFusionPartsMax = 16;
// Picking costs as many distances as there are picks times candidates.
inline constexpr size_t kDiversityCandidatesMax = 1'000;
// Of a fusion's parts, each ranks at least so many objects.
inline constexpr size_t kFusionDepthMin = 100;

struct RankedQuery {
  struct Part {
    // Its top_k, offset and projection are not used.
    SearchRequest search;
    // Set: ranked by these words. Of `search` then hold the collection, the
    // filter and the excluded ids.
    std::optional<Keywords> keywords;
    Metric metric = Metric::kCosine;
    double weight = 1;
  };
  // One; of a fusion one or more.
  std::vector<Part> parts;
  std::optional<FusionMethod> fusion;

  struct Grouping {
    std::string property;
    uint32_t group_size = 1;
  };
  struct Diversity {
    double lambda = 1;
    uint32_t candidates = 0;  // at least top_k + offset
  };
  // At most one of the two; no diversity in a fusion.
  std::optional<Grouping> grouping;
  std::optional<Diversity> diversity;

  uint32_t top_k = 10;  // groups, with grouping
  uint32_t offset = 0;
  Projection projection;
};

struct RankedResult {
  ObjectView view;
  std::optional<double> distance;  // of one vector
  std::optional<double> score;     // of a fusion, or of words
  std::optional<PropertyValue> group;
};

// In the order of the answer: best first; groups one after the other.
absl::StatusOr<std::vector<RankedResult>> RunRankedQuery(
    Engine& engine, const CallContext& call, const RankedQuery& query);

}  // namespace diptych::storage
