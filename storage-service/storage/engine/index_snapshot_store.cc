#include "storage/engine/index_snapshot_store.h"

#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

constexpr char kPartialName[] = "partial";

std::string NameOf(const IndexSnapshotStore::Id& id) {
  return absl::StrCat(absl::Hex(id[0], absl::kZeroPad16),
                      absl::Hex(id[1], absl::kZeroPad16), ".snapshot");
}

}  // namespace

IndexSnapshotStore::Id IndexSnapshotStore::MakeId() {
  absl::BitGen random;
  return {absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random)};
}

std::filesystem::path IndexSnapshotStore::PathOf(const Id& id) const {
  return directory_ / NameOf(id);
}

absl::StatusOr<uint64_t> IndexSnapshotStore::Write(
    const Id& id, absl::FunctionRef<void(SectionWriter&)> write) {
  DIPTYCH_RETURN_IF_ERROR(files_.MakeDirectory(directory_));
  DIPTYCH_RETURN_IF_ERROR(files_.SyncDirectory(directory_.parent_path()));
  const std::filesystem::path partial = directory_ / kPartialName;
  uint64_t bytes = 0;
  const auto make = [&]() -> absl::Status {
    DIPTYCH_ASSIGN_OR_RETURN(auto file, files_.Create(partial));
    SectionWriter writer(std::move(file), id);
    write(writer);
    DIPTYCH_RETURN_IF_ERROR(writer.Finish());
    bytes = writer.bytes();
    return absl::OkStatus();
  };
  absl::Status status = make();
  if (status.ok()) status = files_.Rename(partial, PathOf(id));
  if (status.ok()) status = files_.SyncDirectory(directory_);
  if (status.ok()) return bytes;
  // What cannot be removed goes with the next snapshot.
  files_.Remove(partial).IgnoreError();
  files_.Remove(PathOf(id)).IgnoreError();
  return status;
}

absl::StatusOr<std::shared_ptr<const SectionFile>> IndexSnapshotStore::Open(
    const Id& id) const {
  DIPTYCH_ASSIGN_OR_RETURN(auto file, files_.Open(PathOf(id)));
  DIPTYCH_ASSIGN_OR_RETURN(auto opened, SectionFile::Open(std::move(file)));
  if (opened->id() != id) {
    return absl::DataLossError("the file is another than its name says");
  }
  return opened;
}

absl::Status IndexSnapshotStore::RemoveOthers(const Id* id) {
  DIPTYCH_ASSIGN_OR_RETURN(const auto names, files_.List(directory_));
  for (const std::string& name : names) {
    if (id != nullptr && name == NameOf(*id)) continue;
    DIPTYCH_RETURN_IF_ERROR(files_.Remove(directory_ / name));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
