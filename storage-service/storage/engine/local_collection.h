// One collection on this machine: its record store, its index and its write
// queue.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/call_context.h"
#include "common/concurrency/executor.h"
#include "common/time/clock.h"
#include "storage/engine/bulk_vectorizer.h"
#include "storage/engine/collection_index.h"
#include "storage/engine/import_preparation.h"
#include "storage/engine/index_snapshot_options.h"
#include "storage/engine/index_snapshot_store.h"
#include "storage/engine/object_batch.h"
#include "storage/engine/object_import.h"
#include "storage/engine/requests.h"
#include "storage/engine/uri_loader.h"
#include "storage/engine/vectorizer.h"
#include "storage/engine/write_queue.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// What all collections of an engine share; it outlives them.
struct CollectionEnvironment {
  Limits limits;
  WriteQueueOptions write_queue;
  Clock* clock = nullptr;
  Executor* executor = nullptr;      // may be null
  Vectorizer* vectorizer = nullptr;  // may be null
  UriLoader* uri_loader = nullptr;   // may be null
  // Of imports; null when `vectorizer` is.
  BulkVectorizer* bulk_vectorizer = nullptr;
  IndexSnapshotOptions index_snapshots;
  IndexSnapshotMetrics* index_snapshot_metrics = nullptr;  // may be null
};

// Operation: the record store is the truth; opening loads the index from its
// snapshot and the changes since, or builds it from the records.
// Writes are vectorised in the caller's thread, then pass the write queue. A
// search asks the index for slots, then reads their objects in a later
// snapshot; when one of them is gone meanwhile, it searches again between two
// commits, so a result is never short.
// Concurrency: every method may be called from any thread.
// Limits: 2^32 - 1 writes of objects in a collection's life.
// Errors: as Engine.
class LocalCollection {
 public:
  // `environment` must outlive the collection. Index snapshots lie in
  // `directory`, which is the collection's; empty: there are none. Records that
  // fail their checksum are left out of the index (damaged_records() counts
  // them) and answer DATA_LOSS when they are read.
  static absl::StatusOr<std::shared_ptr<LocalCollection>> Open(
      const Collection& collection, std::unique_ptr<RecordStore> store,
      const std::filesystem::path& directory,
      const CollectionEnvironment* environment);
  ~LocalCollection();

  // With what has been fixed since creation: dimensions and fingerprints.
  Collection description() const { return *snapshot(); }
  // The same, shared.
  std::shared_ptr<const Collection> snapshot() const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return description_;
  }
  // New name, metadata or search settings; spaces stay what they are.
  void SetDescription(const Collection& collection);
  CollectionStats Stats() const;
  size_t damaged_records() const ABSL_LOCKS_EXCLUDED(snapshot_mutex_) {
    absl::MutexLock lock(&snapshot_mutex_);
    return damaged_slots_.Count() + damaged_keys_;
  }

  absl::StatusOr<WriteObjectsResult> Write(const CallContext& context,
                                           WriteObjectsRequest request);
  absl::StatusOr<UpdateObjectsResult> Update(const CallContext& context,
                                             UpdateObjectsRequest request);
  absl::StatusOr<DeleteObjectsResult> Delete(
      const CallContext& context, const DeleteObjectsRequest& request);
  // As ObjectImport's.
  absl::Status PrepareImport(const CallContext& context, WriteMode mode,
                             std::vector<ImportObject> objects,
                             ObjectImport::Prepared done);
  absl::StatusOr<std::vector<ImportOutcome>> CommitImport(
      const CallContext& context, WriteMode mode,
      std::vector<std::unique_ptr<PreparedObjects>> prepared);

  absl::StatusOr<GetObjectsResult> Get(const GetObjectsRequest& request);
  absl::StatusOr<std::string> Image(absl::string_view content_sha256);
  absl::StatusOr<ListObjectsResult> List(const ListObjectsRequest& request);
  absl::StatusOr<uint64_t> Count(const CountObjectsRequest& request);
  absl::StatusOr<SearchResult> Search(const CallContext& context,
                                      const SearchRequest& request);
  absl::StatusOr<KeywordSearchResult> SearchKeywords(
      const CallContext& context, const KeywordSearchRequest& request);
  absl::Status Compact();

  // See Engine::Flush and Engine::CompactCollection.
  absl::Status Flush();

  // local_collection_snapshot.cc
  struct IndexSnapshotNeed {
    uint64_t changes = 0;  // that no snapshot covers
    absl::Duration age;    // of the snapshot, where there are any
  };
  // Writes an index snapshot if IndexSnapshotOptions say that one is due; what
  // is left uncovered. `closing`: there will be no later call.
  IndexSnapshotNeed MaintainIndexSnapshot(bool closing)
      ABSL_LOCKS_EXCLUDED(snapshot_mutex_);
  // Writes one. Writes and reads go on meanwhile. On an error the one before
  // stays.
  absl::Status WriteIndexSnapshot() ABSL_LOCKS_EXCLUDED(snapshot_mutex_);

  absl::StatusOr<CompactionResult> CompactStore(const CallContext& context);

  // For a copy of the records: see RecordStore::ReserveForLongRead. As long as
  // commits are held, reads that begin see the same state.
  absl::Status ReserveForLongRead() { return store_->ReserveForLongRead(); }
  std::unique_ptr<absl::ReaderMutexLock> HoldCommits() {
    return std::make_unique<absl::ReaderMutexLock>(&published_);
  }
  absl::StatusOr<std::unique_ptr<ReadTransaction>> BeginRead() {
    return store_->BeginRead();
  }

  // When the last user has gone, `directory` is removed with all it holds.
  void RemoveWhenUnused(std::filesystem::path directory);

 private:
  struct SearchPlan;

  LocalCollection(const Collection& collection,
                  std::unique_ptr<RecordStore> store,
                  const CollectionEnvironment* environment);
  absl::Status Load();

  void KeepIndexSnapshotsIn(const std::filesystem::path& directory);
  absl::Status LoadIndex() ABSL_LOCKS_EXCLUDED(snapshot_mutex_);
  absl::Status LoadIndexSnapshot(ReadTransaction& read,
                                 const IndexSnapshotRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(snapshot_mutex_);
  // Adds the objects under the slots from `first` on.
  absl::Status IndexRecords(ReadTransaction& read, Slot first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(snapshot_mutex_);
  absl::StatusOr<bool> SnapshotIsDue(bool closing, IndexSnapshotNeed& need)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(snapshot_mutex_);
  absl::Status WriteIndexSnapshotLocked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(snapshot_mutex_);
  // Removes from the change log what no snapshot will ever need.
  absl::Status KeepChangesBounded(WriteTransaction& transaction) const;
  // Makes the snapshot the one that counts, and trims what it covers.
  absl::Status CoverChanges(const IndexSnapshotRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(snapshot_mutex_);
  absl::StatusOr<Properties> ReadProperties(Slot slot);
  Timestamp Now() const;

  // local_collection_write.cc
  absl::StatusOr<WriteObjectsResult> WriteOnce(
      const CallContext& context, const WriteObjectsRequest& request,
      bool skip_existing);
  absl::StatusOr<UpdateObjectsResult> UpdateOnce(
      const CallContext& context, const UpdateObjectsRequest& request);
  absl::Status Vectorize(const CallContext& context, const CollectionSpec& spec,
                         std::vector<PendingObject>& objects,
                         const std::vector<std::vector<bool>>& wanted,
                         std::vector<std::string>& fingerprints);
  // local_collection_images.cc
  // Whether there is a URI that could have to be loaded.
  bool MayLoadImages(const ObjectWrite& object) const;
  // Brings what the objects of the request `given` lack: bytes of the store
  // that vectors need, and those that lie at URIs. `images` gets them, one
  // member per object, and the objects that lacked any point there.
  absl::Status LoadImages(const CallContext& context,
                          const CollectionSpec& spec,
                          const std::vector<ObjectWrite>& given,
                          std::vector<PendingObject>& objects,
                          const std::vector<std::vector<bool>>& wanted,
                          std::vector<ImageBytes>& images);
  // Forgets bytes that were for vectors only.
  static void DropExternalImages(const std::vector<PendingObject>& objects,
                                 std::vector<ImageBytes>& images);
  absl::Status RunBatch(const CallContext& context, ObjectWriteBatch& batch);
  void FixSpaces(const std::vector<SpaceState>& states);

  // local_collection_import.cc
  using ImportEntry = LocalPreparedObjects::Entry;
  absl::Status PrepareImportObject(const CallContext& context,
                                   const CollectionSpec& spec, WriteMode mode,
                                   ImportObject object, ImportEntry& entry);
  // Brings the images that the object `given` lacks. A fault is the entry's.
  absl::Status LoadImportImages(const CallContext& context,
                                const CollectionSpec& spec,
                                const std::vector<ObjectWrite>& given,
                                ImportEntry& entry);
  // Waits for room in the write queue.
  absl::Status RunImportBatch(const CallContext& context,
                              ObjectWriteBatch& batch);
  absl::Status CommitRun(const CallContext& context, WriteMode mode,
                         const std::vector<ImportEntry*>& run,
                         std::vector<ImportOutcome>& outcomes);

  // local_collection_read.cc
  absl::StatusOr<ObjectView> View(ReadTransaction& transaction, Slot slot,
                                  ObjectRecord record,
                                  const Projection& projection,
                                  const CollectionSpec& spec);
  absl::StatusOr<std::vector<std::string>> IdsOf(ReadTransaction& transaction,
                                                 const SlotSet& slots);

  // local_collection_list.cc
  struct ListPlan;
  absl::StatusOr<ListPlan> PlanList(const ListObjectsRequest& request);
  // By id alone, from the store.
  absl::StatusOr<ListObjectsResult> ListAll(const ListPlan& plan,
                                            const ListObjectsRequest& request);
  // By filter or order, from the index. nullopt: an object was gone when it was
  // to be read.
  absl::StatusOr<std::optional<ListObjectsResult>> ListOnce(
      const ListPlan& plan, const ListObjectsRequest& request);

  // local_collection_search.cc
  absl::StatusOr<SearchPlan> PlanSearch(const SearchRequest& request);
  // nullopt: a found object was gone when it was to be read.
  absl::StatusOr<std::optional<SearchResult>> SearchOnce(
      const SearchPlan& plan, const SearchRequest& request);

  // local_collection_keyword.cc
  absl::StatusOr<std::optional<KeywordSearchResult>> SearchKeywordsOnce(
      const KeywordQuery& query, const std::optional<Filter>& filter,
      const KeywordSearchRequest& request);

  const uint64_t id_;
  const CollectionEnvironment& environment_;
  std::filesystem::path remove_when_unused_ ABSL_GUARDED_BY(mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Collection> description_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<RecordStore> store_;
  // See WriteQueue.
  absl::Mutex published_;
  // Held exclusively while a request's changes go into the index: who holds it
  // shared sees all of a request in the index, or nothing.
  absl::Mutex applying_ ABSL_ACQUIRED_AFTER(published_);
  CollectionIndex index_;
  WriteQueue queue_;

  // One snapshot at a time. No read may be held by who waits for it.
  mutable absl::Mutex snapshot_mutex_ ABSL_ACQUIRED_BEFORE(published_, mutex_);
  std::optional<IndexSnapshotStore> snapshots_
      ABSL_GUARDED_BY(snapshot_mutex_);  // absent: there are none
  // What could not be read when it was loaded: by slot, and without one.
  SlotSet damaged_slots_ ABSL_GUARDED_BY(snapshot_mutex_);
  size_t damaged_keys_ ABSL_GUARDED_BY(snapshot_mutex_) = 0;
  // The snapshot that counts.
  std::optional<IndexSnapshotRecord> covered_ ABSL_GUARDED_BY(snapshot_mutex_);
  Slot covered_end_slot_ ABSL_GUARDED_BY(snapshot_mutex_) = 0;
  size_t covered_graph_rows_ ABSL_GUARDED_BY(snapshot_mutex_) = 0;
  absl::Time covered_time_ ABSL_GUARDED_BY(snapshot_mutex_);
  absl::Time last_attempt_ ABSL_GUARDED_BY(snapshot_mutex_) =
      absl::InfinitePast();
  bool failed_ ABSL_GUARDED_BY(snapshot_mutex_) = false;
  // When the last change was seen.
  uint64_t seen_sequence_ ABSL_GUARDED_BY(snapshot_mutex_) = 0;
  absl::Time seen_time_ ABSL_GUARDED_BY(snapshot_mutex_);
  // The index has been compacted.
  std::atomic<bool> snapshot_wanted_{false};
};

// Size of a view in an answer, about.
size_t ViewBytes(const ObjectView& view);

}  // namespace diptych::storage
