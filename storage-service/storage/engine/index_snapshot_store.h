// The files of a collection's index snapshots.
//
// Operation: a snapshot is written into a file of another name, synced, renamed
// to that of its id, and the directory is synced. Which of the files counts is
// said by the record store, in the transaction that also trims the change log;
// until then the file of before stays.
// Concurrency: one thread at a time.
// Errors: those of the FileSystem; DATA_LOSS and FAILED_PRECONDITION of a file
// that is not to be trusted.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/section_file/file_system.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"

namespace diptych::storage {

class IndexSnapshotStore {
 public:
  using Id = std::array<uint64_t, 2>;

  // `directory` is the collection's. `files` must outlive the store.
  IndexSnapshotStore(const std::filesystem::path& directory, FileSystem* files)
      : directory_(directory / "index"), files_(*files) {}

  // Like no other.
  static Id MakeId();

  // Calls `write` with a new file's writer; on OK the file is on the disk under
  // its name. Its size. On an error there is no such file, as far as it can be
  // removed.
  absl::StatusOr<uint64_t> Write(const Id& id,
                                 absl::FunctionRef<void(SectionWriter&)> write);
  // NOT_FOUND: there is none.
  absl::StatusOr<std::shared_ptr<const SectionFile>> Open(const Id& id) const;
  // Removes all but `id`'s (null: all).
  absl::Status RemoveOthers(const Id* id);

 private:
  std::filesystem::path PathOf(const Id& id) const;

  const std::filesystem::path directory_;
  FileSystem& files_;
};

}  // namespace diptych::storage
