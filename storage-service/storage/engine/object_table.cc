#include "storage/engine/object_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {

absl::Status InitializeFormat(WriteTransaction& transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kMeta, kFormatKey));
  if (!record.has_value()) {
    return transaction.Put(Table::kMeta, kFormatKey,
                           EncodeFormat(kFormatKey, kStorageFormatVersion));
  }
  DIPTYCH_ASSIGN_OR_RETURN(uint32_t version, DecodeFormat(kFormatKey, *record));
  if (version > kStorageFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data were written by a newer version; run that version, or give "
        "another data directory: format ",
        version, ", this version reads up to ", kStorageFormatVersion));
  }
  if (version == kStorageFormatVersion) return absl::OkStatus();
  // What older versions wrote is read as it is; what is written from now on
  // they could not read.
  return transaction.Put(Table::kMeta, kFormatKey,
                         EncodeFormat(kFormatKey, kStorageFormatVersion));
}

absl::Status CheckDirectoryTables(ReadTransaction& transaction) {
  for (Table table : {Table::kMeta, Table::kIds, Table::kImageReferences}) {
    DIPTYCH_ASSIGN_OR_RETURN(auto cursor, transaction.NewCursor(table));
    DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(""));
    while (found) {
      const absl::string_view record = cursor->value();
      // Its kind is in its first byte, which the checksum covers, too.
      const auto kind = static_cast<RecordKind>(record.empty() ? 0 : record[0]);
      DIPTYCH_RETURN_IF_ERROR(
          OpenRecord(kind, table, cursor->key(), record).status());
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Counters> ReadCounters(ReadTransaction& transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kMeta, kCountersKey));
  if (!record.has_value()) return Counters();
  return DecodeCounters(kCountersKey, *record);
}

absl::Status WriteCounters(WriteTransaction& transaction,
                           const Counters& counters) {
  return transaction.Put(Table::kMeta, kCountersKey,
                         EncodeCounters(kCountersKey, counters));
}

absl::StatusOr<SpaceState> ReadSpaceState(ReadTransaction& transaction,
                                          uint8_t space) {
  const std::string key = SpaceKey(space);
  DIPTYCH_ASSIGN_OR_RETURN(auto record, transaction.Get(Table::kMeta, key));
  if (!record.has_value()) return SpaceState();
  return DecodeSpaceState(key, *record);
}

absl::Status WriteSpaceState(WriteTransaction& transaction, uint8_t space,
                             const SpaceState& state) {
  const std::string key = SpaceKey(space);
  return transaction.Put(Table::kMeta, key, EncodeSpaceState(key, state));
}

absl::StatusOr<std::optional<Slot>> FindSlot(ReadTransaction& transaction,
                                             absl::string_view id) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record, transaction.Get(Table::kIds, id));
  if (!record.has_value()) return std::optional<Slot>();
  DIPTYCH_ASSIGN_OR_RETURN(Slot slot, DecodeSlot(id, *record));
  return std::optional<Slot>(slot);
}

absl::StatusOr<std::optional<ObjectRecord>> ReadObject(
    ReadTransaction& transaction, Slot slot) {
  const std::string key = SlotKey(slot);
  DIPTYCH_ASSIGN_OR_RETURN(auto record, transaction.Get(Table::kObjects, key));
  if (!record.has_value()) return std::optional<ObjectRecord>();
  DIPTYCH_ASSIGN_OR_RETURN(ObjectRecord object, DecodeObject(key, *record));
  return std::optional<ObjectRecord>(std::move(object));
}

absl::StatusOr<std::optional<ObjectRecord>> ReadObjectHead(
    ReadTransaction& transaction, Slot slot) {
  const std::string key = SlotKey(slot);
  DIPTYCH_ASSIGN_OR_RETURN(auto record, transaction.Get(Table::kObjects, key));
  if (!record.has_value()) return std::optional<ObjectRecord>();
  DIPTYCH_ASSIGN_OR_RETURN(ObjectRecord object, DecodeObjectHead(key, *record));
  return std::optional<ObjectRecord>(std::move(object));
}

absl::StatusOr<std::vector<float>> ReadVector(
    ReadTransaction& transaction, Slot slot,
    const ObjectRecord::VectorEntry& entry) {
  std::string record;
  const uint16_t pieces = VectorPieceCount(entry.dimension);
  for (uint16_t piece = 0; piece < pieces; ++piece) {
    DIPTYCH_ASSIGN_OR_RETURN(
        auto bytes,
        transaction.Get(Table::kVectors, VectorKey(slot, entry.space, piece)));
    // A missing piece makes the checksum fail.
    if (bytes.has_value()) record.append(bytes->data(), bytes->size());
  }
  return DecodeVector(VectorKey(slot, entry.space, 0), record, entry.dimension);
}

absl::Status PutObject(WriteTransaction& transaction, Slot slot,
                       const ObjectRecord& object,
                       absl::Span<const std::vector<float>> vectors) {
  const std::string key = SlotKey(slot);
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Put(Table::kObjects, key, EncodeObject(key, object)));
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Put(Table::kIds, object.id, EncodeSlot(object.id, slot)));
  for (size_t i = 0; i < object.vectors.size(); ++i) {
    const uint8_t space = object.vectors[i].space;
    const std::string record =
        EncodeVector(VectorKey(slot, space, 0), vectors[i]);
    uint16_t piece = 0;
    for (size_t at = 0; at < record.size(); at += kVectorPieceBytes) {
      DIPTYCH_RETURN_IF_ERROR(transaction.Put(
          Table::kVectors, VectorKey(slot, space, piece++),
          absl::string_view(record).substr(at, kVectorPieceBytes)));
    }
  }
  return absl::OkStatus();
}

absl::Status EraseObject(WriteTransaction& transaction, Slot slot,
                         const ObjectRecord* object) {
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Delete(Table::kObjects, SlotKey(slot)).status());
  std::vector<std::string> keys;
  if (object != nullptr) {
    for (const ObjectRecord::VectorEntry& entry : object->vectors) {
      const uint16_t pieces = VectorPieceCount(entry.dimension);
      for (uint16_t piece = 0; piece < pieces; ++piece) {
        keys.push_back(VectorKey(slot, entry.space, piece));
      }
    }
  } else {
    DIPTYCH_ASSIGN_OR_RETURN(auto cursor,
                             transaction.NewCursor(Table::kVectors));
    const std::string prefix = SlotKey(slot);
    DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(prefix));
    while (found && absl::StartsWith(cursor->key(), prefix)) {
      keys.emplace_back(cursor->key());
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
    }
  }
  for (const std::string& key : keys) {
    DIPTYCH_RETURN_IF_ERROR(transaction.Delete(Table::kVectors, key).status());
  }
  return absl::OkStatus();
}

absl::Status EraseId(WriteTransaction& transaction, absl::string_view id) {
  return transaction.Delete(Table::kIds, id).status();
}

absl::StatusOr<std::optional<ImageReferenceRecord>> FindImage(
    ReadTransaction& transaction, absl::string_view sha256) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kImageReferences, sha256));
  if (!record.has_value()) return std::optional<ImageReferenceRecord>();
  DIPTYCH_ASSIGN_OR_RETURN(ImageReferenceRecord reference,
                           DecodeImageReference(sha256, *record));
  return std::optional<ImageReferenceRecord>(reference);
}

absl::StatusOr<std::string> ReadImage(ReadTransaction& transaction,
                                      absl::string_view sha256) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kImages, sha256));
  if (!record.has_value()) {
    return absl::NotFoundError("the collection does not hold this image");
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      absl::string_view bytes,
      OpenRecord(RecordKind::kImage, Table::kImages, sha256, *record));
  return std::string(bytes);
}

absl::Status AddImageReference(WriteTransaction& transaction,
                               absl::string_view sha256,
                               const std::string* bytes, Counters& counters) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kImageReferences, sha256));
  ImageReferenceRecord reference;
  if (record.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(reference, DecodeImageReference(sha256, *record));
  } else {
    if (bytes == nullptr) {
      return absl::InternalError("an image without bytes was let through");
    }
    reference.size_bytes = bytes->size();
    ++counters.images;
    DIPTYCH_RETURN_IF_ERROR(
        transaction.Put(Table::kImages, sha256,
                        SealRecord(RecordKind::kImage, sha256, *bytes)));
  }
  ++reference.references;
  return transaction.Put(Table::kImageReferences, sha256,
                         EncodeImageReference(sha256, reference));
}

absl::Status RemoveImageReference(WriteTransaction& transaction,
                                  absl::string_view sha256,
                                  Counters& counters) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kImageReferences, sha256));
  if (!record.has_value()) return absl::OkStatus();
  DIPTYCH_ASSIGN_OR_RETURN(ImageReferenceRecord reference,
                           DecodeImageReference(sha256, *record));
  if (reference.references > 1) {
    --reference.references;
    return transaction.Put(Table::kImageReferences, sha256,
                           EncodeImageReference(sha256, reference));
  }
  counters.images -= std::min<uint64_t>(counters.images, 1);
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Delete(Table::kImageReferences, sha256).status());
  return transaction.Delete(Table::kImages, sha256).status();
}

}  // namespace diptych::storage
