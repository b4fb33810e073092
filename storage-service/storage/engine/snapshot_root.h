// The directory below which an operator lets snapshots be written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/engine/requests.h"
#include "storage/record/lmdb_record_store.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// A collection as of the moment in which the read began. `owner` keeps alive
// what the read needs.
struct SnapshotSource {
  Collection collection;
  std::shared_ptr<void> owner;
  std::unique_ptr<ReadTransaction> read;
};

// A snapshot whose files have been found to be what they were.
struct VerifiedSnapshot {
  std::filesystem::path directory;
  std::vector<Collection> collections;
};

// Operation: a snapshot is a directory ROOT/<name> in the form of a data
// directory, with a manifest. It is written as ROOT/.<name>.partial, synced,
// then renamed, so what has a name is whole.
// Concurrency: one writer at a time; the engine sees to that. One server per
// root.
// Limits: `snapshots_max` snapshots; names of 1 to 128 of [a-zA-Z0-9._-] that
// do not begin with a dot.
// Errors of every method: FAILED_PRECONDITION (reason SNAPSHOTS_DISABLED)
// without a root; INVALID_ARGUMENT for a bad name; that of `check`, which is
// asked now and then.
class SnapshotRoot {
 public:
  using Check = absl::FunctionRef<absl::Status()>;
  // Called before each step that changes the disk; an error ends the work.
  using BeforeStep = std::function<absl::Status(absl::string_view step)>;

  // `directory` empty: there is no root.
  SnapshotRoot(std::filesystem::path directory, const LmdbOptions& lmdb,
               size_t snapshots_max, BeforeStep before_step);

  // OK when a snapshot of this name can be written.
  //   ALREADY_EXISTS      there is one
  //   RESOURCE_EXHAUSTED  there are snapshots_max
  absl::Status CheckNew(absl::string_view name) const;

  // Each source's read ends when it has been copied. RESOURCE_EXHAUSTED: the
  // disk is full. On an error nothing is left.
  absl::StatusOr<SnapshotInfo> Write(absl::string_view name,
                                     std::vector<SnapshotSource> sources,
                                     Timestamp now, Check check) const;

  // By name.
  absl::StatusOr<std::vector<SnapshotInfo>> List() const;

  // Compares every file with the manifest.
  //   NOT_FOUND            no such snapshot
  //   FAILED_PRECONDITION  a newer version wrote it
  //   DATA_LOSS            a file is missing, or not what it was
  absl::StatusOr<VerifiedSnapshot> Verify(absl::string_view name,
                                          Check check) const;
  // Of a verified snapshot, for reading.
  absl::StatusOr<std::unique_ptr<RecordStore>> OpenCollection(
      const VerifiedSnapshot& snapshot, uint64_t id) const;

 private:
  absl::Status CheckName(absl::string_view name) const;
  absl::Status RemovePartials() const;
  absl::Status WriteFiles(const std::filesystem::path& directory,
                          std::vector<SnapshotSource> sources, Timestamp now,
                          Check check) const;
  absl::Status Step(absl::string_view name) const {
    return before_step_ ? before_step_(name) : absl::OkStatus();
  }

  const std::filesystem::path directory_;
  const LmdbOptions lmdb_;
  const size_t snapshots_max_;
  const BeforeStep before_step_;
};

}  // namespace diptych::storage
