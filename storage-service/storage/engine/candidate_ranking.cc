#include "storage/engine/candidate_ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/status/status_macros.h"
#include "storage/engine/object_table.h"
#include "storage/engine/vector_reader.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The `count` smallest of the numbers that were added.
class SmallestDistances {
 public:
  explicit SmallestDistances(size_t count) : count_(count) {}

  // The largest of them; infinity as long as there are fewer.
  double Bound() const {
    return heap_.size() < count_ ? kInfinity : heap_.front();
  }
  void Add(double distance) {
    if (heap_.size() == count_) {
      if (distance >= heap_.front()) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.push_back(distance);
    std::push_heap(heap_.begin(), heap_.end());
  }

 private:
  const size_t count_;
  std::vector<double> heap_;  // the largest first
};

// The candidate's true distance is not less.
double LowerBound(const CandidateRanking& ranking, const Neighbor& candidate) {
  const double distance = candidate.distance, error = candidate.error;
  const bool known = ranking.precision != VectorPrecision::kFloat32 ||
                     ranking.metric != Metric::kInnerProduct;
  // Sums beyond float32 say nothing.
  if (!known || !std::isfinite(distance) || !std::isfinite(error)) {
    return -kInfinity;
  }
  return distance - error - kDistanceSlack * (1 + std::abs(distance));
}

// Why a vector is not there. True: its object has none in the space. False: the
// object is gone. DATA_LOSS: the vector is damaged.
absl::StatusOr<bool> ExistsWithoutVector(ReadTransaction& transaction,
                                         Slot slot, uint8_t space) {
  DIPTYCH_ASSIGN_OR_RETURN(const auto record, ReadObject(transaction, slot));
  if (!record.has_value()) return false;
  for (const ObjectRecord::VectorEntry& entry : record->vectors) {
    if (entry.space != space) continue;
    DIPTYCH_RETURN_IF_ERROR(ReadVector(transaction, slot, entry).status());
  }
  return true;
}

}  // namespace

absl::StatusOr<std::optional<std::vector<RankedSlot>>> RankCandidates(
    ReadTransaction& transaction, const CandidateRanking& ranking,
    absl::Span<const Neighbor> candidates, const SlotSet& excluded) {
  DIPTYCH_ASSIGN_OR_RETURN(
      VectorReader vectors,
      VectorReader::Make(transaction, ranking.space,
                         static_cast<uint32_t>(ranking.query.size())));
  std::vector<RankedSlot> ranked;
  ranked.reserve(std::min(candidates.size(), 2 * ranking.wanted));
  SmallestDistances nearest(ranking.wanted);
  const DistanceFrom distance_from(ranking.metric, ranking.query);
  for (const Neighbor& candidate : candidates) {
    if (LowerBound(ranking, candidate) > nearest.Bound()) continue;
    if (excluded.Contains(candidate.slot)) continue;
    DIPTYCH_ASSIGN_OR_RETURN(const auto vector, vectors.Read(candidate.slot));
    if (!vector.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(
          const bool exists,
          ExistsWithoutVector(transaction, candidate.slot, ranking.space));
      if (!exists) return std::optional<std::vector<RankedSlot>>();
      continue;
    }
    const double distance = distance_from.To(*vector);
    if (ranking.distance_max.has_value() && distance > *ranking.distance_max) {
      continue;
    }
    nearest.Add(distance);
    ranked.push_back({distance, candidate.slot});
  }
  return std::optional<std::vector<RankedSlot>>(std::move(ranked));
}

}  // namespace diptych::storage
