#include "storage/engine/vector_reader.h"

#include <utility>

#include "absl/types/span.h"
#include "common/status/status_macros.h"
#include "storage/record/key_codec.h"
#include "storage/record/record_codec.h"

namespace diptych::storage {

absl::StatusOr<VectorReader> VectorReader::Make(ReadTransaction& transaction,
                                                uint8_t space,
                                                uint32_t dimension) {
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, transaction.NewCursor(Table::kVectors));
  return VectorReader(std::move(cursor), space, dimension);
}

absl::StatusOr<std::optional<absl::Span<const float>>> VectorReader::Read(
    Slot slot) {
  const std::string first = VectorKey(slot, space_, 0);
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor_->Seek(first));
  if (!found || cursor_->key() != first) {
    return std::optional<absl::Span<const float>>();
  }
  record_.clear();
  const uint16_t pieces =
      VectorPieceCount(static_cast<uint32_t>(vector_.size()));
  for (uint16_t piece = 0; piece < pieces; ++piece) {
    if (piece > 0) {
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor_->Next());
      // A missing piece makes the checksum fail.
      if (!found || cursor_->key() != VectorKey(slot, space_, piece)) break;
    }
    record_.append(cursor_->value().data(), cursor_->value().size());
  }
  DIPTYCH_RETURN_IF_ERROR(
      DecodeVectorInto(first, record_, absl::MakeSpan(vector_)));
  return std::optional<absl::Span<const float>>(vector_);
}

}  // namespace diptych::storage
