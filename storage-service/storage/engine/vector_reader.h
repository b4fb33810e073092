// Reads many vectors of a space.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/index/slot_set.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Operation: as ReadVector of object_table.h, without looking for each of a
// vector's pieces anew and without memory of its own for each: a search reads
// the vectors of all candidates of an index.
// Concurrency: one thread at a time; `transaction` must outlive the reader.
// Errors: DATA_LOSS for a damaged vector, or one of another dimension; those of
// the store.
class VectorReader {
 public:
  static absl::StatusOr<VectorReader> Make(ReadTransaction& transaction,
                                           uint8_t space, uint32_t dimension);

  // nullopt: the first piece is not there, so the object is gone, or damaged.
  // Valid until the next call.
  absl::StatusOr<std::optional<absl::Span<const float>>> Read(Slot slot);

 private:
  VectorReader(std::unique_ptr<RecordCursor> cursor, uint8_t space,
               uint32_t dimension)
      : cursor_(std::move(cursor)), space_(space), vector_(dimension) {}

  std::unique_ptr<RecordCursor> cursor_;
  uint8_t space_;
  std::string record_;
  std::vector<float> vector_;
};

}  // namespace diptych::storage
