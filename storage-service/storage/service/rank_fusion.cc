#include "storage/service/rank_fusion.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"

namespace diptych::storage {
namespace {

constexpr double kReciprocalRankConstant = 60;

double ScoreOf(const WeightedRanking& ranking, size_t rank,
               FusionMethod method) {
  if (method == FusionMethod::kReciprocalRank) {
    return ranking.weight /
           (kReciprocalRankConstant + static_cast<double>(rank));
  }
  const double max = ranking.objects.front().score;
  const double min = ranking.objects.back().score;
  if (max == min) return ranking.weight;
  return ranking.weight * (ranking.objects[rank].score - min) / (max - min);
}

}  // namespace

std::vector<ScoredId> FuseRankings(absl::Span<const WeightedRanking> rankings,
                                   FusionMethod method) {
  absl::flat_hash_map<std::string, double> scores;
  for (const WeightedRanking& ranking : rankings) {
    for (size_t rank = 0; rank < ranking.objects.size(); ++rank)
      scores[ranking.objects[rank].id] += ScoreOf(ranking, rank, method);
  }
  std::vector<ScoredId> fused;
  fused.reserve(scores.size());
  for (const auto& [id, score] : scores) fused.push_back({id, score});
  std::sort(fused.begin(), fused.end(),
            [](const ScoredId& a, const ScoredId& b) {
              return a.score != b.score ? a.score > b.score : a.id < b.id;
            });
  return fused;
}

}  // namespace diptych::storage
