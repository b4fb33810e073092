#include "storage/engine/snapshot_root.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/catalog.h"
#include "storage/file_error/file_error.h"
#include "storage/record/durable_files.h"
#include "storage/record/file_sha256.h"
#include "storage/record/key_codec.h"
#include "storage/record/record_codec.h"
#include "storage/record/record_copy.h"
#include "storage/record/snapshot_manifest.h"

namespace diptych::storage {
namespace {

constexpr size_t kNameBytesMax = 128;
constexpr char kPartialSuffix[] = ".partial";

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
         c == '_' || c == '-';
}

bool IsSnapshotName(absl::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), IsNameCharacter);
}

// Names of directories below `root`; none when there is no root yet.
absl::StatusOr<std::vector<std::string>> NamesBelow(
    const std::filesystem::path& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root, error), end;
       !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error == std::errc::no_such_file_or_directory) return names;
  DIPTYCH_RETURN_IF_ERROR(
      FileError(error.value(), absl::StrCat("cannot list ", root.string())));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<SnapshotManifest> ReadManifest(
    const std::filesystem::path& directory) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string text,
                           ReadWholeFile(directory / kSnapshotManifestName,
                                         kSnapshotManifestBytesMax));
  return ParseSnapshotManifest(text);
}

SnapshotInfo InfoOf(absl::string_view name, const SnapshotManifest& manifest) {
  SnapshotInfo info;
  info.name = std::string(name);
  info.create_time = manifest.create_time;
  info.collections = manifest.files.size() - 1;  // but for the catalog
  for (const SnapshotFile& file : manifest.files) {
    info.size_bytes += file.size_bytes;
  }
  return info;
}

// A store that has just been closed, as a file of the manifest.
absl::StatusOr<SnapshotFile> SealStore(const std::filesystem::path& directory,
                                       const std::string& path,
                                       SnapshotRoot::Check check) {
  const std::filesystem::path file = directory / path;
  DIPTYCH_RETURN_IF_ERROR(RemoveTree(file.parent_path() / "lock.mdb"));
  DIPTYCH_RETURN_IF_ERROR(SyncPath(file));
  DIPTYCH_RETURN_IF_ERROR(SyncPath(file.parent_path()));
  SnapshotFile sealed{path, 0, ""};
  DIPTYCH_ASSIGN_OR_RETURN(sealed.sha256, Sha256OfFile(file, check));
  std::error_code error;
  sealed.size_bytes = std::filesystem::file_size(file, error);
  DIPTYCH_RETURN_IF_ERROR(
      FileError(error.value(), absl::StrCat("cannot read ", file.string())));
  return sealed;
}

absl::Status VerifyFile(const std::filesystem::path& directory,
                        const SnapshotFile& file, SnapshotRoot::Check check) {
  const std::filesystem::path path = directory / file.path;
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    return absl::DataLossError(
        absl::StrCat("a file of the snapshot is missing: ", path.string()));
  }
  DIPTYCH_RETURN_IF_ERROR(
      FileError(error.value(), absl::StrCat("cannot read ", path.string())));
  if (size != file.size_bytes) {
    return absl::DataLossError(absl::StrCat(
        "a file of the snapshot has ", size, " bytes where the manifest says ",
        file.size_bytes, ": ", path.string()));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(path, check));
  if (sha256 == file.sha256) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("a file of the snapshot does not have the checksum of the "
                   "manifest: ",
                   path.string()));
}

}  // namespace

SnapshotRoot::SnapshotRoot(std::filesystem::path directory,
                           const LmdbOptions& lmdb, size_t snapshots_max,
                           BeforeStep before_step)
    : directory_(std::move(directory)),
      lmdb_(lmdb),
      snapshots_max_(snapshots_max),
      before_step_(std::move(before_step)) {}

absl::Status SnapshotRoot::CheckName(absl::string_view name) const {
  if (directory_.empty()) {
    return WithReason(
        absl::FailedPreconditionError(
            "the server keeps no snapshots; start it with --snapshots DIR"),
        "SNAPSHOTS_DISABLED");
  }
  if (IsSnapshotName(name)) return absl::OkStatus();
  return InvalidField(
      "name",
      "must be 1 to 128 of the characters a-z, A-Z, 0-9, '.', '_' and "
      "'-', the first of which is not '.'");
}

absl::Status SnapshotRoot::CheckNew(absl::string_view name) const {
  DIPTYCH_RETURN_IF_ERROR(CheckName(name));
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           NamesBelow(directory_));
  size_t snapshots = 0;
  for (const std::string& existing : names) {
    if (existing == name) {
      return ResourceExists(
          "snapshot", name,
          absl::StrCat("there is a snapshot of this name; choose another: ",
                       name));
    }
    if (IsSnapshotName(existing)) ++snapshots;
  }
  if (snapshots < snapshots_max_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("there are as many snapshots as are allowed; remove one "
                   "from the server's disk first: ",
                   snapshots_max_));
}

absl::Status SnapshotRoot::RemovePartials() const {
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           NamesBelow(directory_));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, ".") && absl::EndsWith(name, kPartialSuffix)) {
      DIPTYCH_RETURN_IF_ERROR(RemoveTree(directory_ / name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SnapshotInfo> SnapshotRoot::Write(
    absl::string_view name, std::vector<SnapshotSource> sources, Timestamp now,
    Check check) const {
  DIPTYCH_RETURN_IF_ERROR(CheckNew(name));
  DIPTYCH_RETURN_IF_ERROR(RemovePartials());
  const std::filesystem::path directory = directory_ / std::string(name);
  const std::filesystem::path partial =
      directory_ / absl::StrCat(".", name, kPartialSuffix);
  bool renaming = false;
  auto remove_what_was_written = absl::MakeCleanup([&] {
    std::error_code error;
    // Gone when it has its name already.
    if (!std::filesystem::exists(partial, error) && renaming) {
      RemoveTree(directory).IgnoreError();
    }
    RemoveTree(partial).IgnoreError();
  });
  DIPTYCH_RETURN_IF_ERROR(WriteFiles(partial, std::move(sources), now, check));
  DIPTYCH_ASSIGN_OR_RETURN(const SnapshotManifest manifest,
                           ReadManifest(partial));
  DIPTYCH_RETURN_IF_ERROR(Step("name the snapshot"));
  renaming = true;
  DIPTYCH_RETURN_IF_ERROR(RenameDurably(partial, directory));
  std::move(remove_what_was_written).Cancel();
  return InfoOf(name, manifest);
}

absl::Status SnapshotRoot::WriteFiles(const std::filesystem::path& directory,
                                      std::vector<SnapshotSource> sources,
                                      Timestamp now, Check check) const {
  DIPTYCH_RETURN_IF_ERROR(Step("make the directory"));
  DIPTYCH_RETURN_IF_ERROR(MakeDirectory(directory / "collections"));
  SnapshotManifest manifest{kStorageFormatVersion, now, {}};
  std::vector<Collection> collections;
  for (const SnapshotSource& source : sources) {
    collections.push_back(source.collection);
  }
  DIPTYCH_RETURN_IF_ERROR(Step("write the catalog"));
  {
    DIPTYCH_ASSIGN_OR_RETURN(
        auto store, LmdbRecordStore::Open(directory / "catalog", lmdb_));
    DIPTYCH_ASSIGN_OR_RETURN(auto catalog, Catalog::Open(std::move(store)));
    DIPTYCH_RETURN_IF_ERROR(catalog->ReplaceAll(collections));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      SnapshotFile catalog_file,
      SealStore(directory, CatalogFileInSnapshot(), check));
  manifest.files.push_back(std::move(catalog_file));
  for (SnapshotSource& source : sources) {
    DIPTYCH_RETURN_IF_ERROR(Step("copy a collection"));
    const std::string path = CollectionFileInSnapshot(source.collection.id);
    {
      DIPTYCH_ASSIGN_OR_RETURN(
          auto store,
          LmdbRecordStore::Open((directory / path).parent_path(), lmdb_));
      DIPTYCH_RETURN_IF_ERROR(CopyRecords(*source.read, *store, check));
    }
    // Freed space of the collection can be used again from here on.
    source.read.reset();
    source.owner.reset();
    DIPTYCH_ASSIGN_OR_RETURN(SnapshotFile file,
                             SealStore(directory, path, check));
    manifest.files.push_back(std::move(file));
  }
  DIPTYCH_RETURN_IF_ERROR(Step("write the manifest"));
  DIPTYCH_RETURN_IF_ERROR(WriteNewFile(directory / kSnapshotManifestName,
                                       FormatSnapshotManifest(manifest)));
  DIPTYCH_RETURN_IF_ERROR(SyncPath(directory / "collections"));
  return SyncPath(directory);
}

absl::StatusOr<std::vector<SnapshotInfo>> SnapshotRoot::List() const {
  DIPTYCH_RETURN_IF_ERROR(CheckName("any"));
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           NamesBelow(directory_));
  std::vector<SnapshotInfo> snapshots;
  for (const std::string& name : names) {
    if (!IsSnapshotName(name)) continue;
    auto manifest = ReadManifest(directory_ / name);
    // Something else that lies there, or is not whole: no snapshot.
    if (manifest.ok()) snapshots.push_back(InfoOf(name, *manifest));
  }
  return snapshots;
}

absl::StatusOr<VerifiedSnapshot> SnapshotRoot::Verify(absl::string_view name,
                                                      Check check) const {
  DIPTYCH_RETURN_IF_ERROR(CheckName(name));
  VerifiedSnapshot snapshot;
  snapshot.directory = directory_ / std::string(name);
  auto manifest = ReadManifest(snapshot.directory);
  if (absl::IsNotFound(manifest.status())) {
    return ResourceNotFound(
        "snapshot", name,
        absl::StrCat("there is no snapshot of this name: ", name));
  }
  DIPTYCH_RETURN_IF_ERROR(manifest.status());
  std::set<std::string> expected{CatalogFileInSnapshot()};
  for (const SnapshotFile& file : manifest->files) {
    DIPTYCH_RETURN_IF_ERROR(VerifyFile(snapshot.directory, file, check));
  }
  LmdbOptions lmdb = lmdb_;
  lmdb.read_only = true;
  DIPTYCH_ASSIGN_OR_RETURN(
      auto store, LmdbRecordStore::Open(snapshot.directory / "catalog", lmdb));
  DIPTYCH_ASSIGN_OR_RETURN(snapshot.collections, Catalog::ReadFrom(*store));
  for (const Collection& collection : snapshot.collections) {
    expected.insert(CollectionFileInSnapshot(collection.id));
  }
  std::set<std::string> given;
  for (const SnapshotFile& file : manifest->files) given.insert(file.path);
  if (given != expected) {
    return absl::DataLossError(
        "the manifest of the snapshot and its catalog name other collections");
  }
  return snapshot;
}

absl::StatusOr<std::unique_ptr<RecordStore>> SnapshotRoot::OpenCollection(
    const VerifiedSnapshot& snapshot, uint64_t id) const {
  LmdbOptions lmdb = lmdb_;
  lmdb.read_only = true;
  return LmdbRecordStore::Open(
      (snapshot.directory / CollectionFileInSnapshot(id)).parent_path(), lmdb);
}

}  // namespace diptych::storage
