// Compares a query with every vector.
//
// Operation: one array of vectors without gaps: a removed row is filled by the
// last one. It is the oracle that graphs are tested against, and serves small
// spaces as it is.
// Concurrency: searches run beside each other and wait for writes.
// Limits: searching costs some 50 ns per vector of 512 dimensions.
#pragma once

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "storage/index/vector_index.h"

namespace diptych::storage {

class FlatIndex final : public VectorIndex {
 public:
  // INVALID_ARGUMENT: a dimension out of range. hnsw settings are not used,
  // nor is the precision: it keeps float32.
  static absl::StatusOr<std::unique_ptr<FlatIndex>> Create(
      const VectorIndexOptions& options);

  absl::Status Add(Slot slot, absl::Span<const float> vector) override;
  absl::Status Remove(Slot slot) override;
  absl::StatusOr<std::vector<Neighbor>> Search(
      absl::Span<const float> query,
      const SearchOptions& options) const override;
  bool Contains(Slot slot) const override;
  size_t size() const override;
  size_t memory_bytes() const override;
  const VectorIndexOptions& options() const override { return options_; }

 private:
  explicit FlatIndex(const VectorIndexOptions& options) : options_(options) {}

  const VectorIndexOptions options_;
  mutable absl::Mutex mutex_;
  std::vector<float> vectors_ ABSL_GUARDED_BY(mutex_);
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Slot, size_t> row_of_slot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
