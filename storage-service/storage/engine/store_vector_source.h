// The full vectors of one vector space, from a record store.
#pragma once

#include <cstdint>

#include "storage/index/vector_source.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Operation: walks the table of vectors, whose order is that of slots.
// Concurrency: as VectorSource; each Read is a transaction of its own.
// Limits: none. A damaged vector is left out as one that is not there is.
class StoreVectorSource final : public VectorSource {
 public:
  // `store` must outlive the source.
  StoreVectorSource(RecordStore* store, uint8_t space, uint32_t dimension)
      : store_(*store), space_(space), dimension_(dimension) {}

  absl::Status Read(
      absl::Span<const Slot> slots,
      absl::FunctionRef<void(size_t position, absl::Span<const float> vector)>
          visit) override;

 private:
  RecordStore& store_;
  const uint8_t space_;
  const uint32_t dimension_;
};

}  // namespace diptych::storage
