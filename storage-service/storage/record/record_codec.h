// Records as bytes (docs/storage_format.md).
//
// Operation: a record is: uint8 kind, payload, uint64 checksum. The checksum is
// XXH3-64 (https://github.com/Cyan4973/xxHash, version 0.8) over kind and
// payload, seeded with XXH3-64 of the record's key: a record that was changed,
// cut or put under another key is noticed.
// Concurrency: pure functions.
// Errors: decoding returns DATA_LOSS, naming table and key, for whatever was
// not written by encoding under the same key; it never reads beyond the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"
#include "storage/types/object.h"

namespace diptych::storage {

// Of the catalog and of each collection. Older versions are read as long as
// they can be; newer ones are refused.
inline constexpr uint32_t kStorageFormatVersion = 3;

enum class RecordKind : uint8_t {
  kFormat = 1,
  kCollection = 2,
  kCounters = 3,
  kSpaceState = 4,
  kObject = 5,
  kSlot = 6,
  kVector = 7,
  kImage = 8,
  kImageReference = 9,
  kNumber = 10,
  kChange = 11,
  kIndexSnapshot = 12,
};

std::string SealRecord(RecordKind kind, absl::string_view key,
                       absl::string_view payload);
// The payload, as a view into `record`.
absl::StatusOr<absl::string_view> OpenRecord(RecordKind kind, Table table,
                                             absl::string_view key,
                                             absl::string_view record);

std::string EncodeFormat(absl::string_view key, uint32_t version);
absl::StatusOr<uint32_t> DecodeFormat(absl::string_view key,
                                      absl::string_view record);

std::string EncodeNumber(absl::string_view key, uint64_t number);
absl::StatusOr<uint64_t> DecodeNumber(absl::string_view key,
                                      absl::string_view record);

// Dimensions and fingerprints of the spec are those asked for at creation; what
// was fixed since lies in SpaceState.
std::string EncodeCollection(absl::string_view key,
                             const Collection& collection);
absl::StatusOr<Collection> DecodeCollection(absl::string_view key,
                                            absl::string_view record);

struct Counters {
  uint32_t next_slot = 0;
  uint64_t objects = 0;
  uint64_t images = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};
std::string EncodeCounters(absl::string_view key, const Counters& counters);
absl::StatusOr<Counters> DecodeCounters(absl::string_view key,
                                        absl::string_view record);

struct SpaceState {
  uint32_t dimension = 0;
  std::string model_fingerprint;
  friend bool operator==(const SpaceState&, const SpaceState&) = default;
};
std::string EncodeSpaceState(absl::string_view key, const SpaceState& state);
absl::StatusOr<SpaceState> DecodeSpaceState(absl::string_view key,
                                            absl::string_view record);

// An object without its vectors, which lie in a table of their own.
struct ObjectRecord {
  struct VectorEntry {
    uint8_t space = 0;
    uint32_t dimension = 0;
    // By the vectorizer, from the object's fields.
    bool made = false;
    friend bool operator==(const VectorEntry&, const VectorEntry&) = default;
  };
  std::string id;
  Timestamp create_time;
  Timestamp update_time;
  Properties properties;
  std::vector<VectorEntry> vectors;  // by space
  friend bool operator==(const ObjectRecord&, const ObjectRecord&) = default;
};
std::string EncodeObject(absl::string_view key, const ObjectRecord& object);
absl::StatusOr<ObjectRecord> DecodeObject(absl::string_view key,
                                          absl::string_view record);
// As DecodeObject, without properties and vectors, for whoever wants neither.
absl::StatusOr<ObjectRecord> DecodeObjectHead(absl::string_view key,
                                              absl::string_view record);
// Size of the object's encoding, for limits.
size_t EncodedObjectSize(const ObjectRecord& object);

std::string EncodeSlot(absl::string_view key, uint32_t slot);
absl::StatusOr<uint32_t> DecodeSlot(absl::string_view key,
                                    absl::string_view record);

// Vectors lie in pieces of at most kVectorPieceBytes: LMDB puts several such
// pieces on a page, where the 2,048 bytes of a vector of 512 dimensions would
// take a whole page of 4,096.
inline constexpr size_t kVectorPieceBytes = 528;
// The record to be cut into pieces; its key is that of piece 0.
std::string EncodeVector(absl::string_view key, absl::Span<const float> vector);
absl::StatusOr<std::vector<float>> DecodeVector(absl::string_view key,
                                                absl::string_view record,
                                                uint32_t dimension);
// As DecodeVector, of vector.size() dimensions.
absl::Status DecodeVectorInto(absl::string_view key, absl::string_view record,
                              absl::Span<float> vector);
// How many pieces the record of a vector has.
uint16_t VectorPieceCount(uint32_t dimension);

// References of objects to one image content.
struct ImageReferenceRecord {
  uint64_t references = 0;
  uint64_t size_bytes = 0;
  friend bool operator==(const ImageReferenceRecord&,
                         const ImageReferenceRecord&) = default;
};
std::string EncodeImageReference(absl::string_view key,
                                 const ImageReferenceRecord& reference);
absl::StatusOr<ImageReferenceRecord> DecodeImageReference(
    absl::string_view key, absl::string_view record);

// What one request did to the slots of a collection.
struct ChangeRecord {
  // [first, end) were given out; none where they are equal.
  uint32_t first_slot = 0;
  uint32_t end_slot = 0;
  // Emptied, ascending.
  std::vector<uint32_t> removed;
  friend bool operator==(const ChangeRecord&, const ChangeRecord&) = default;
};
std::string EncodeChange(absl::string_view key, const ChangeRecord& change);
absl::StatusOr<ChangeRecord> DecodeChange(absl::string_view key,
                                          absl::string_view record);

// The index snapshot that belongs to a collection's records.
struct IndexSnapshotRecord {
  // Of the last change that it covers.
  uint64_t sequence = 0;
  // Of its file.
  std::array<uint64_t, 2> id = {};
  friend bool operator==(const IndexSnapshotRecord&,
                         const IndexSnapshotRecord&) = default;
};
std::string EncodeIndexSnapshot(absl::string_view key,
                                const IndexSnapshotRecord& snapshot);
absl::StatusOr<IndexSnapshotRecord> DecodeIndexSnapshot(
    absl::string_view key, absl::string_view record);

}  // namespace diptych::storage
