// Whether a data directory, or a snapshot, holds what it should.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace diptych::storage {

// What is wrong with one thing.
struct DirectoryFinding {
  std::string where;  // "catalog", or a collection by name and directory
  std::string what;   // a sentence without a full stop
};

struct DirectoryCheck {
  uint64_t collections = 0;
  uint64_t objects = 0;
  uint64_t vectors = 0;
  uint64_t images = 0;
  // Empty: all is well. At most kFindingsMax of each collection and of the
  // catalog; the last one says how many more there were.
  std::vector<DirectoryFinding> findings;

  static constexpr size_t kFindingsMax = 100;
};

// Operation: reads every record with its checksum, compares objects with their
// ids and vectors, the counters with what is there, references with images,
// and the bytes of every image with their SHA-256; and the index snapshot's
// checksums and the change log's gaps. Changes nothing but LOCK.
// Concurrency: any thread; no server may run on the directory.
// Limits: slots and image references of one collection are held in memory.
// Errors: NOT_FOUND: no such directory. FAILED_PRECONDITION: a server has it
// open, or a newer version wrote it. What is damaged is a finding.
absl::StatusOr<DirectoryCheck> CheckDataDirectory(
    const std::filesystem::path& directory);

}  // namespace diptych::storage
