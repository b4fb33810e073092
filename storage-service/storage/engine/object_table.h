// Objects, vectors, images and counters of a collection as records of a
// transaction.
//
// Concurrency: functions on a transaction, which one thread uses at a time.
// Errors: DATA_LOSS for a damaged record; those of the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "storage/index/slot_set.h"
#include "storage/record/record_codec.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Writes the format version into a store that is empty or of an older version.
// FAILED_PRECONDITION: the store is of a newer version.
absl::Status InitializeFormat(WriteTransaction& transaction);

// Reads those tables whole of which a damaged record would make an object or an
// image look as if it were not there: ids, references to images, and what is
// known of the collection. DATA_LOSS names the first damaged record.
absl::Status CheckDirectoryTables(ReadTransaction& transaction);

absl::StatusOr<Counters> ReadCounters(ReadTransaction& transaction);
absl::Status WriteCounters(WriteTransaction& transaction,
                           const Counters& counters);

absl::StatusOr<SpaceState> ReadSpaceState(ReadTransaction& transaction,
                                          uint8_t space);
absl::Status WriteSpaceState(WriteTransaction& transaction, uint8_t space,
                             const SpaceState& state);

absl::StatusOr<std::optional<Slot>> FindSlot(ReadTransaction& transaction,
                                             absl::string_view id);
// nullopt: the slot is empty (the object was deleted or replaced).
absl::StatusOr<std::optional<ObjectRecord>> ReadObject(
    ReadTransaction& transaction, Slot slot);
// As ReadObject, without properties and vectors.
absl::StatusOr<std::optional<ObjectRecord>> ReadObjectHead(
    ReadTransaction& transaction, Slot slot);
absl::StatusOr<std::vector<float>> ReadVector(
    ReadTransaction& transaction, Slot slot,
    const ObjectRecord::VectorEntry& entry);

// Writes the object, its id, and `vectors`, which are those that its record
// lists, in that order. Does not count, and does not touch images.
absl::Status PutObject(WriteTransaction& transaction, Slot slot,
                       const ObjectRecord& object,
                       absl::Span<const std::vector<float>> vectors);
// Removes what PutObject wrote, but for the id. Without `object` (its record is
// damaged), whatever lies under the slot.
absl::Status EraseObject(WriteTransaction& transaction, Slot slot,
                         const ObjectRecord* object);
absl::Status EraseId(WriteTransaction& transaction, absl::string_view id);

// nullopt: the collection does not hold this content.
absl::StatusOr<std::optional<ImageReferenceRecord>> FindImage(
    ReadTransaction& transaction, absl::string_view sha256);
// NOT_FOUND: no such content.
absl::StatusOr<std::string> ReadImage(ReadTransaction& transaction,
                                      absl::string_view sha256);
// Counts one more reference; the first one stores `bytes`, which must be given
// unless the content is there. Keeps `counters.images`.
absl::Status AddImageReference(WriteTransaction& transaction,
                               absl::string_view sha256,
                               const std::string* bytes, Counters& counters);
// Counts one less; the last one removes the bytes.
absl::Status RemoveImageReference(WriteTransaction& transaction,
                                  absl::string_view sha256, Counters& counters);

}  // namespace diptych::storage
