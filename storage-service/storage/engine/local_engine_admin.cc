// Operation of a LocalEngine: snapshots, compaction, reset.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_engine.h"
#include "storage/engine/uuid.h"
#include "storage/record/durable_files.h"
#include "storage/record/record_copy.h"

namespace diptych::storage {

absl::StatusOr<LocalEngine::Administration> LocalEngine::BeginAdministration(
    const CallContext& context) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  if (administered_.exchange(true)) {
    return WithRetryAfter(
        absl::ResourceExhaustedError(
            "another snapshot, restore, compaction or reset is under way; try "
            "again when it has ended"),
        absl::Seconds(5));
  }
  return Administration(&administered_);
}

absl::Status LocalEngine::Step(absl::string_view name) const {
  return options_.before_step ? options_.before_step(name) : absl::OkStatus();
}

absl::Status LocalEngine::Flush(const CallContext& context,
                                absl::string_view name) {
  if (!name.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, name));
    return collection->Flush();
  }
  for (const auto& collection : OpenCollections()) {
    DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
    DIPTYCH_RETURN_IF_ERROR(collection->Flush());
  }
  return absl::OkStatus();
}

// Every collection as of one moment: between two commits of each, all at once.
absl::StatusOr<std::vector<SnapshotSource>> LocalEngine::BeginSnapshotReads() {
  absl::MutexLock catalog_lock(&catalog_mutex_);
  std::vector<std::pair<Collection, std::shared_ptr<LocalCollection>>> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, collection] : collections_) {
      if (!collection.ok()) {
        return Annotate(
            collection.status(),
            absl::StrCat("no snapshot is written, because the collection ",
                         name, " would be missing from it; delete it first"));
      }
      all.emplace_back(catalogued_.find(name)->second, *collection);
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first.id < b.first.id;
  });
  for (const auto& [unused, collection] : all) {
    DIPTYCH_RETURN_IF_ERROR(collection->ReserveForLongRead());
  }
  std::vector<std::unique_ptr<absl::ReaderMutexLock>> held;
  for (const auto& [unused, collection] : all) {
    held.push_back(collection->HoldCommits());
  }
  std::vector<SnapshotSource> sources;
  for (auto& [description, collection] : all) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, collection->BeginRead());
    sources.push_back({std::move(description), collection, std::move(read)});
  }
  return sources;
}

absl::StatusOr<SnapshotInfo> LocalEngine::CreateSnapshot(
    const CallContext& context, absl::string_view name) {
  DIPTYCH_ASSIGN_OR_RETURN(const Administration administration,
                           BeginAdministration(context));
  DIPTYCH_RETURN_IF_ERROR(snapshots_.CheckNew(name));
  DIPTYCH_ASSIGN_OR_RETURN(auto sources, BeginSnapshotReads());
  const absl::Time now = options_.clock->Now();
  return snapshots_.Write(name, std::move(sources), {absl::ToUnixMicros(now)},
                          [&] { return context.Check(options_.clock->Now()); });
}

absl::StatusOr<std::vector<SnapshotInfo>> LocalEngine::ListSnapshots(
    const CallContext& context) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  return snapshots_.List();
}

absl::StatusOr<LocalEngine::MadeCollection> LocalEngine::CopyFromSnapshot(
    const CallContext& context, const VerifiedSnapshot& snapshot,
    Collection collection) {
  DIPTYCH_RETURN_IF_ERROR(Step("copy a collection"));
  DIPTYCH_ASSIGN_OR_RETURN(auto from,
                           snapshots_.OpenCollection(snapshot, collection.id));
  {
    absl::MutexLock catalog_lock(&catalog_mutex_);
    collection.id = catalog_->TakeId();
  }
  // Whoever remembers what it has written into the collection of before must
  // see that this is another.
  collection.uid = MakeUuidV7(options_.clock->Now());
  const std::filesystem::path directory = DirectoryOf(collection.id);
  auto remove_directory =
      absl::MakeCleanup([&directory] { RemoveTree(directory).IgnoreError(); });
  DIPTYCH_ASSIGN_OR_RETURN(auto store, options_.open_store(directory));
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, from->BeginRead());
    DIPTYCH_RETURN_IF_ERROR(CopyRecords(
        *read, *store, [&] { return context.Check(options_.clock->Now()); }));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto opened,
                           LocalCollection::Open(collection, std::move(store),
                                                 directory, &environment_));
  std::move(remove_directory).Cancel();
  return MadeCollection{std::move(collection), std::move(opened)};
}

absl::StatusOr<RestoreSnapshotResult> LocalEngine::RestoreSnapshot(
    const CallContext& context, absl::string_view name) {
  DIPTYCH_ASSIGN_OR_RETURN(const Administration administration,
                           BeginAdministration(context));
  DIPTYCH_ASSIGN_OR_RETURN(const VerifiedSnapshot snapshot,
                           snapshots_.Verify(name, [&] {
                             return context.Check(options_.clock->Now());
                           }));
  if (snapshot.collections.size() > limits().collections_max) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot has ", snapshot.collections.size(),
                     " collections, more than this server allows: ",
                     limits().collections_max));
  }
  // Under new ids, so that a crash leaves them as directories that no
  // collection owns. One commit of the catalog is what replaces all.
  std::vector<MadeCollection> made;
  const auto give_up = [&](const absl::Status& status) {
    for (MadeCollection& one : made) {
      one.opened->RemoveWhenUnused(DirectoryOf(one.description.id));
    }
    return status;
  };
  for (const Collection& collection : snapshot.collections) {
    absl::Status status = context.Check(options_.clock->Now());
    if (!status.ok()) return give_up(status);
    auto one = CopyFromSnapshot(context, snapshot, collection);
    if (!one.ok()) return give_up(one.status());
    made.push_back(*std::move(one));
  }
  if (absl::Status replaced = ReplaceAll(made); !replaced.ok()) {
    return give_up(replaced);
  }
  return RestoreSnapshotResult{made.size()};
}

absl::Status LocalEngine::ReplaceAll(const std::vector<MadeCollection>& made) {
  std::vector<Collection> descriptions;
  std::map<std::string, Collection, std::less<>> catalogued;
  CollectionMap collections;
  for (const MadeCollection& one : made) {
    descriptions.push_back(one.description);
    catalogued.emplace(one.description.spec.name, one.description);
    collections.emplace(one.description.spec.name, one.opened);
  }
  {
    absl::MutexLock catalog_lock(&catalog_mutex_);
    DIPTYCH_RETURN_IF_ERROR(Step("commit the catalog"));
    DIPTYCH_RETURN_IF_ERROR(catalog_->ReplaceAll(descriptions));
    absl::MutexLock lock(&mutex_);
    catalogued_.swap(catalogued);
    collections_.swap(collections);
  }
  Step("remove the collections of before").IgnoreError();
  for (auto& [name, collection] : collections) {
    const std::filesystem::path directory =
        DirectoryOf(catalogued.find(name)->second.id);
    if (collection.ok()) {
      (*collection)->RemoveWhenUnused(directory);
    } else {
      // What cannot be removed now is an orphan, which the next start removes.
      RemoveTree(directory).IgnoreError();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CompactionResult> LocalEngine::CompactCollection(
    const CallContext& context, absl::string_view name) {
  DIPTYCH_ASSIGN_OR_RETURN(const Administration administration,
                           BeginAdministration(context));
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, name));
  return collection->CompactStore(context);
}

absl::Status LocalEngine::Reset(const CallContext& context) {
  DIPTYCH_ASSIGN_OR_RETURN(const Administration administration,
                           BeginAdministration(context));
  return ReplaceAll({});
}

}  // namespace diptych::storage
