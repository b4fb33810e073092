// All neighbours that may be among the k nearest, where distances are known
// only up to an error.
//
// Operation: the k-th smallest upper bound (distance + error) is a distance
// within which there are k neighbours; one whose lower bound is beyond it is
// not among the nearest k. The bound falls as neighbours are offered, so those
// collected earlier are looked through again each time they have doubled.
// Concurrency: a plain value.
// Limits: k >= 1. Where errors are as large as the distances differ, all that
// were offered are kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "storage/index/vector_index.h"

namespace diptych::storage {

class PossibleNeighbors {
 public:
  explicit PossibleNeighbors(size_t k) : k_(k) {}

  // Every neighbour: its error may be large.
  bool Accepts(float) const { return true; }

  void Offer(Neighbor neighbor) {
    if (neighbor.distance - neighbor.error > Bound()) return;
    const float upper = neighbor.distance + neighbor.error;
    if (upper_bounds_.size() < k_) {
      upper_bounds_.push_back(upper);
      std::push_heap(upper_bounds_.begin(), upper_bounds_.end());
    } else if (upper < upper_bounds_.front()) {
      std::pop_heap(upper_bounds_.begin(), upper_bounds_.end());
      upper_bounds_.back() = upper;
      std::push_heap(upper_bounds_.begin(), upper_bounds_.end());
    }
    neighbors_.push_back(neighbor);
    if (neighbors_.size() >= drop_at_) {
      DropBeyond(Bound());
      drop_at_ = std::max(kDropAtMin, 2 * neighbors_.size());
    }
  }

  // Sorted by (distance, slot), without those that are surely farther than
  // `distance_max`.
  std::vector<Neighbor> Take(std::optional<float> distance_max) && {
    DropBeyond(std::min(Bound(), distance_max.value_or(
                                     std::numeric_limits<float>::infinity())));
    std::sort(neighbors_.begin(), neighbors_.end());
    return std::move(neighbors_);
  }

 private:
  static constexpr size_t kDropAtMin = 1024;

  float Bound() const {
    return upper_bounds_.size() < k_ ? std::numeric_limits<float>::infinity()
                                     : upper_bounds_.front();
  }
  void DropBeyond(float bound) {
    neighbors_.erase(
        std::remove_if(neighbors_.begin(), neighbors_.end(),
                       [bound](const Neighbor& neighbor) {
                         return neighbor.distance - neighbor.error > bound;
                       }),
        neighbors_.end());
  }

  const size_t k_;
  size_t drop_at_ = kDropAtMin;
  std::vector<float> upper_bounds_;  // a heap, the largest first
  std::vector<Neighbor> neighbors_;
};

}  // namespace diptych::storage
