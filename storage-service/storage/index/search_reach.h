// How far the walks of a search over several segments still need to look.
//
// Operation: a search keeps the `ef` nearest rows that it finds. When one
// segment has been searched, whatever is farther than the ef-th of the rows
// found so far cannot be among them any more, so the walks of further segments
// end there instead of finding `ef` rows each.
// Concurrency: a plain value.
// Limits: ef >= 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

namespace diptych::storage {

class SearchReach {
 public:
  explicit SearchReach(size_t ef) : ef_(ef) {}

  // Rows beyond it are not wanted; infinity as long as fewer than `ef` were
  // found.
  float Limit() const {
    return distances_.size() < ef_ ? std::numeric_limits<float>::infinity()
                                   : distances_.back();
  }
  // The distances of rows that a segment gave, ascending.
  void Add(const std::vector<float>& found) {
    std::vector<float> merged;
    merged.reserve(distances_.size() + found.size());
    std::merge(distances_.begin(), distances_.end(), found.begin(), found.end(),
               std::back_inserter(merged));
    if (merged.size() > ef_) merged.resize(ef_);
    distances_ = std::move(merged);
  }

 private:
  const size_t ef_;
  std::vector<float> distances_;  // ascending
};

}  // namespace diptych::storage
