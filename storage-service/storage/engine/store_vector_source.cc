#include "storage/engine/store_vector_source.h"

#include <string>
#include <vector>

#include "common/status/status_macros.h"
#include "storage/record/key_codec.h"
#include "storage/record/record_codec.h"

namespace diptych::storage {

absl::Status StoreVectorSource::Read(
    absl::Span<const Slot> slots,
    absl::FunctionRef<void(size_t position, absl::Span<const float> vector)>
        visit) {
  if (slots.empty()) return absl::OkStatus();
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_.BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read->NewCursor(Table::kVectors));
  DIPTYCH_ASSIGN_OR_RETURN(bool found,
                           cursor->Seek(VectorKey(slots[0], space_, 0)));
  const uint16_t pieces = VectorPieceCount(dimension_);
  std::string record;
  for (size_t i = 0; i < slots.size() && found; ++i) {
    const std::string first = VectorKey(slots[i], space_, 0);
    // The next one, as a rule.
    if (cursor->key() != first) {
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Seek(first));
    }
    if (!found || cursor->key() != first) continue;
    record.clear();
    for (uint16_t piece = 0; piece < pieces && found; ++piece) {
      if (cursor->key() != VectorKey(slots[i], space_, piece)) break;
      record.append(cursor->value().data(), cursor->value().size());
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
    }
    // A missing piece makes the checksum fail.
    DIPTYCH_ASSIGN_OR_RETURN(const std::vector<float> vector,
                             DecodeVector(first, record, dimension_));
    visit(i, vector);
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
