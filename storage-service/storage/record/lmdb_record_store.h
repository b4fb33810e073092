// The record store on LMDB (http://www.lmdb.tech/doc/).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

struct LmdbOptions {
  // Address space to begin with. It costs neither memory nor disk.
  uint64_t map_bytes = uint64_t{1} << 30;
  // The store never grows beyond this.
  uint64_t map_bytes_max = uint64_t{1} << 40;
  // Reads at one moment.
  uint32_t readers_max = 1024;
  // Nothing is written, not even a lock file; tables that the file lacks are
  // empty. Nobody else may write meanwhile. The directory must exist.
  bool read_only = false;
  // Reads the whole file once, before LMDB does, and refuses one of which LMDB
  // could not read or write every page (lmdb_file.h).
  bool verify_structure = true;
  // For tests: called before each step of a compaction; an error ends it there.
  std::function<absl::Status(absl::string_view step)> before_step;
};

// Operation: one LMDB environment in a directory of its own (data.mdb,
// lock.mdb), which is made if need be. Commits are synchronous: fsync before
// OK. When the map is full, the transaction is given up, the store waits until
// none of its reads is alive, doubles the map and runs the write again. Compact
// copies the records into a new file beside the old one and renames it over
// that while no transaction is alive, so that a crash leaves one or the other.
// After a failure of the disk that leaves LMDB in doubt about a commit, the
// commit is taken back and the file opened again, at once or, where the disk
// goes on failing, by the next calls; until then they answer the error.
// Concurrency: as RecordStore. A directory may be open once per process, and by
// one process (DirectoryLock of the data directory sees to that).
// Limits: LmdbOptions.
class LmdbRecordStore final : public RecordStore {
 public:
  // RESOURCE_EXHAUSTED: no disk or address space. PERMISSION_DENIED.
  // DATA_LOSS: the file is not an LMDB file, or damaged.
  static absl::StatusOr<std::unique_ptr<LmdbRecordStore>> Open(
      const std::filesystem::path& directory, const LmdbOptions& options);
  // All transactions must have ended.
  ~LmdbRecordStore() override;

  absl::StatusOr<std::unique_ptr<ReadTransaction>> BeginRead() override;
  absl::Status RunWrite(
      absl::FunctionRef<absl::Status(WriteTransaction&)> write) override;
  uint64_t size_bytes() const override;
  absl::Status ReserveForLongRead() override;
  absl::Status Sync() override;
  absl::Status Compact(absl::FunctionRef<absl::Status()> check) override;

  // For tests and metrics.
  uint64_t map_bytes() const;

 private:
  class Environment;
  explicit LmdbRecordStore(std::unique_ptr<Environment> environment);

  const std::unique_ptr<Environment> environment_;
};

}  // namespace diptych::storage
