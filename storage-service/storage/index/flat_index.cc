#include "storage/index/flat_index.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/index/distance_function.h"
#include "storage/index/nearest_neighbors.h"

namespace diptych::storage {

absl::StatusOr<std::unique_ptr<FlatIndex>> FlatIndex::Create(
    const VectorIndexOptions& options) {
  DIPTYCH_RETURN_IF_ERROR(ValidateVectorIndexOptions(options));
  return absl::WrapUnique(new FlatIndex(options));
}

absl::Status FlatIndex::Add(Slot slot, absl::Span<const float> vector) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<float> prepared,
      PrepareVector(options_.metric, options_.dimension, vector));
  absl::MutexLock lock(&mutex_);
  if (!row_of_slot_.try_emplace(slot, slots_.size()).second) {
    return SlotExists(slot);
  }
  slots_.push_back(slot);
  vectors_.insert(vectors_.end(), prepared.begin(), prepared.end());
  return absl::OkStatus();
}

absl::Status FlatIndex::Remove(Slot slot) {
  absl::MutexLock lock(&mutex_);
  const auto found = row_of_slot_.find(slot);
  if (found == row_of_slot_.end()) return SlotNotFound(slot);
  const size_t row = found->second;
  const size_t last = slots_.size() - 1;
  row_of_slot_.erase(found);
  if (row != last) {
    const size_t dimension = options_.dimension;
    std::copy_n(&vectors_[last * dimension], dimension,
                &vectors_[row * dimension]);
    slots_[row] = slots_[last];
    row_of_slot_[slots_[row]] = row;
  }
  slots_.pop_back();
  vectors_.resize(last * options_.dimension);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Neighbor>> FlatIndex::Search(
    absl::Span<const float> query, const SearchOptions& options) const {
  if (options.k == 0) return InvalidField("k", "is 0; give 1 or more");
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<float> prepared,
      PrepareVector(options_.metric, options_.dimension, query));
  const DistanceFunction distance(options_.metric, options_.dimension);
  NearestNeighbors nearest(options.k);
  size_t scanned = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (size_t row = 0; row < slots_.size(); ++row) {
      if (options.allowed && !options.allowed->Contains(slots_[row])) continue;
      ++scanned;
      nearest.Offer(
          {slots_[row], distance(prepared.data(),
                                 vectors_.data() + row * options_.dimension)});
    }
  }
  if (options.statistics) options.statistics->rows_scanned += scanned;
  return std::move(nearest).Take(options.distance_max);
}

bool FlatIndex::Contains(Slot slot) const {
  absl::ReaderMutexLock lock(&mutex_);
  return row_of_slot_.contains(slot);
}

size_t FlatIndex::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return slots_.size();
}

size_t FlatIndex::memory_bytes() const {
  absl::ReaderMutexLock lock(&mutex_);
  return vectors_.capacity() * sizeof(float) +
         slots_.capacity() * sizeof(Slot) +
         row_of_slot_.capacity() * (sizeof(Slot) + sizeof(size_t) + 1);
}

}  // namespace diptych::storage
