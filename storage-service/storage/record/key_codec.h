// Keys of records. Numbers are big-endian, so that the bytewise order of keys
// is the order of the numbers. docs/storage_format.md has them all.
//
// Concurrency: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace diptych::storage {

// Table kMeta.
inline constexpr char kFormatKey[] = "format";
inline constexpr char kCountersKey[] = "counters";
inline constexpr char kNextCollectionIdKey[] = "next_collection_id";
// How many changes there have been.
inline constexpr char kSequenceKey[] = "sequence";
inline constexpr char kIndexSnapshotKey[] = "index_snapshot";
// "space" and the space's number: its dimension and model fingerprint.
std::string SpaceKey(uint8_t space);

// Table kCollections: uint64 id.
std::string CollectionKey(uint64_t id);

// Table kObjects: uint32 slot.
std::string SlotKey(uint32_t slot);
// False: `key` is not of this form.
bool ParseSlotKey(absl::string_view key, uint32_t& slot);

// Table kVectors: uint32 slot, uint8 space, uint16 number of the piece.
std::string VectorKey(uint32_t slot, uint8_t space, uint16_t piece);

// Table kChanges: uint64 sequence number.
std::string ChangeKey(uint64_t sequence);
// False: `key` is not of this form.
bool ParseChangeKey(absl::string_view key, uint64_t& sequence);

// The directory of a collection: 16 lower-case hexadecimal digits of its id.
std::string CollectionDirectoryName(uint64_t id);
bool ParseCollectionDirectoryName(absl::string_view name, uint64_t& id);

}  // namespace diptych::storage
