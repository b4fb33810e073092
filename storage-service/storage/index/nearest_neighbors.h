// The k nearest of the neighbours that are offered.
//
// Operation: a heap with the farthest on top.
// Concurrency: a plain value.
// Limits: k >= 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "storage/index/vector_index.h"

namespace diptych::storage {

class NearestNeighbors {
 public:
  explicit NearestNeighbors(size_t k) : k_(k) {}

  // Whether a neighbour this far can be among them.
  bool Accepts(float distance) const {
    return heap_.size() < k_ || distance <= heap_.front().distance;
  }

  void Offer(Neighbor neighbor) {
    if (heap_.size() < k_) {
      heap_.push_back(neighbor);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (neighbor < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = neighbor;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }

  // Sorted by (distance, slot), without those that are surely farther than
  // `distance_max`.
  std::vector<Neighbor> Take(std::optional<float> distance_max) && {
    std::sort_heap(heap_.begin(), heap_.end());
    if (distance_max.has_value()) {
      heap_.erase(std::remove_if(heap_.begin(), heap_.end(),
                                 [&](const Neighbor& neighbor) {
                                   return neighbor.distance - neighbor.error >
                                          *distance_max;
                                 }),
                  heap_.end());
    }
    return std::move(heap_);
  }

 private:
  size_t k_;
  std::vector<Neighbor> heap_;
};

}  // namespace diptych::storage
