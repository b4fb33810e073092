#include "storage/service/maximal_marginal_relevance.h"

#include <algorithm>
#include <limits>

#include "common/status/status_macros.h"
#include "storage/types/distance.h"

namespace diptych::storage {

absl::StatusOr<std::vector<size_t>> PickByMarginalRelevance(
    absl::Span<const MarginalRelevanceCandidate> candidates,
    const MarginalRelevanceOptions& options,
    const std::function<absl::Status()>& proceed) {
  const size_t count = std::min(options.count, candidates.size());
  std::vector<size_t> picked;
  std::vector<bool> is_picked(candidates.size());
  // To the nearest of the picked; carried on from pick to pick.
  std::vector<double> picked_distance(candidates.size(),
                                      std::numeric_limits<double>::infinity());
  size_t next = 0;
  while (picked.size() < count) {
    DIPTYCH_RETURN_IF_ERROR(proceed());
    picked.push_back(next);
    is_picked[next] = true;
    const absl::Span<const float> last = candidates[next].vector;
    double best = -std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (is_picked[i]) continue;
      picked_distance[i] =
          std::min(picked_distance[i],
                   Distance(options.metric, candidates[i].vector, last));
      const double relevance = (1 - options.lambda) * picked_distance[i] -
                               options.lambda * candidates[i].query_distance;
      if (relevance > best) {
        best = relevance;
        next = i;
      }
    }
  }
  return picked;
}

}  // namespace diptych::storage
