#include "storage/engine/store_vector_source.h"

#include <optional>

#include "absl/status/status.h"
#include "common/status/status_macros.h"
#include "storage/engine/vector_reader.h"

namespace diptych::storage {

absl::Status StoreVectorSource::Read(
    absl::Span<const Slot> slots,
    absl::FunctionRef<void(size_t position, absl::Span<const float> vector)>
        visit) {
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_.BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(VectorReader reader,
                           VectorReader::Make(*read, space_, dimension_));
  for (size_t i = 0; i < slots.size(); ++i) {
    const auto vector = reader.Read(slots[i]);
    if (vector.ok()) {
      if (vector->has_value()) visit(i, **vector);
    } else if (!absl::IsDataLoss(vector.status())) {
      return vector.status();
    }
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
