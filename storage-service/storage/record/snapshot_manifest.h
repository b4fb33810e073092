// What a snapshot of a data directory says of itself: its format, and size and
// SHA-256 of each of its files.
//
// Operation: text, so that people and `sha256sum` can read it; the last line
// seals those before it (docs/storage_format.md).
// Concurrency: pure functions.
// Limits: kSnapshotManifestBytesMax.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

inline constexpr uint32_t kSnapshotFormatVersion = 1;
inline constexpr char kSnapshotManifestName[] = "MANIFEST";
inline constexpr uint64_t kSnapshotManifestBytesMax = 16 << 20;

struct SnapshotFile {
  // Within the snapshot: "catalog/data.mdb" or
  // "collections/<16 hexadecimal digits>/data.mdb", nothing else.
  std::string path;
  uint64_t size_bytes = 0;
  std::string sha256;  // 32 bytes
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

struct SnapshotManifest {
  uint32_t storage_format = 0;
  Timestamp create_time;
  std::vector<SnapshotFile> files;  // the catalog's first
  friend bool operator==(const SnapshotManifest&,
                         const SnapshotManifest&) = default;
};

std::string CatalogFileInSnapshot();
std::string CollectionFileInSnapshot(uint64_t collection_id);

std::string FormatSnapshotManifest(const SnapshotManifest& manifest);

// DATA_LOSS: not written by FormatSnapshotManifest, or changed since.
// FAILED_PRECONDITION: of a newer version of this format or of the storage
// format.
absl::StatusOr<SnapshotManifest> ParseSnapshotManifest(absl::string_view text);

}  // namespace diptych::storage
