// The engine on this machine: LMDB below, hnswlib beside it.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/periodic_task.h"
#include "common/concurrency/thread_pool.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "storage/engine/bulk_vectorizer.h"
#include "storage/engine/catalog.h"
#include "storage/engine/engine.h"
#include "storage/engine/index_snapshot_options.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/snapshot_root.h"
#include "storage/engine/uri_loader.h"
#include "storage/engine/vectorizer.h"
#include "storage/engine/write_queue.h"
#include "storage/record/directory_lock.h"
#include "storage/record/lmdb_record_store.h"

namespace diptych::storage {

struct LocalEngineOptions {
  std::filesystem::path data_directory;
  // Snapshots are written below it; empty: there are none.
  std::filesystem::path snapshot_directory;
  // Makes the vectors; must outlive the engine. Null: none are made.
  Vectorizer* vectorizer = nullptr;
  // Brings images that lie at URIs; must outlive the engine. Null: URIs are
  // kept as they are given, and feed no vectors.
  UriLoader* uri_loader = nullptr;
  // Must outlive the engine.
  Clock* clock = &Clock::System();
  // Runs background index builds; must outlive the engine. Null: the engine
  // starts `index_threads` threads.
  Executor* executor = nullptr;
  size_t index_threads = 1;
  Limits limits;
  // How the vectors of imports are made.
  BulkVectorizerOptions bulk_vectorizer;
  // Must outlive the engine. Null: nothing is measured.
  MetricsRegistry* metrics = nullptr;
  LmdbOptions lmdb;
  WriteQueueOptions write_queue;
  IndexSnapshotOptions index_snapshots;
  // Opens the record store in a directory; empty: LMDB's.
  std::function<absl::StatusOr<std::unique_ptr<RecordStore>>(
      const std::filesystem::path& directory)>
      open_store;
  // For tests: called before each step of a snapshot, a restore or a reset that
  // changes the disk; an error ends it there.
  std::function<absl::Status(absl::string_view step)> before_step;
};

// Operation: DATA/LOCK keeps other processes out; DATA/catalog/ says which
// collections there are; DATA/collections/<id>/ holds each. A start loads the
// indexes from their snapshots, and removes directories that no collection
// owns; the end writes the snapshots that are due.
// Concurrency: as Engine. Collections share nothing but the executor: each
// commits by itself.
// Limits: as LocalCollection, and `limits`. All indexes lie in main memory.
class LocalEngine final : public Engine {
 public:
  // FAILED_PRECONDITION: another server has the directory, or a newer version
  // wrote it. Errors of the record store. A collection that cannot be opened
  // does not keep the others from being served: calls on it answer why.
  static absl::StatusOr<std::unique_ptr<LocalEngine>> Open(
      const LocalEngineOptions& options);
  // No call may be in progress.
  ~LocalEngine() override;

  EngineCapabilities capabilities() const override {
    return {.ordered_listing = true, .keyword_search = true};
  }
  const Limits& limits() const override { return environment_.limits; }

  absl::StatusOr<CreateCollectionResult> CreateCollection(
      const CallContext& context,
      const CreateCollectionRequest& request) override;
  absl::StatusOr<Collection> GetCollection(const CallContext& context,
                                           absl::string_view name) override;
  absl::StatusOr<ListCollectionsResult> ListCollections(
      const CallContext& context,
      const ListCollectionsRequest& request) override;
  absl::StatusOr<Collection> UpdateCollection(
      const CallContext& context,
      const UpdateCollectionRequest& request) override;
  absl::Status DeleteCollection(const CallContext& context,
                                absl::string_view name) override;
  absl::StatusOr<CollectionStats> GetCollectionStats(
      const CallContext& context, absl::string_view name) override;
  absl::StatusOr<WriteObjectsResult> WriteObjects(
      const CallContext& context, WriteObjectsRequest request) override;
  absl::StatusOr<std::unique_ptr<ObjectImport>> OpenImport(
      const CallContext& context, absl::string_view collection,
      WriteMode mode) override;
  absl::StatusOr<UpdateObjectsResult> UpdateObjects(
      const CallContext& context, UpdateObjectsRequest request) override;
  absl::StatusOr<DeleteObjectsResult> DeleteObjects(
      const CallContext& context, const DeleteObjectsRequest& request) override;
  absl::StatusOr<GetObjectsResult> GetObjects(
      const CallContext& context, const GetObjectsRequest& request) override;
  absl::StatusOr<std::string> GetImage(
      const CallContext& context, absl::string_view collection,
      absl::string_view content_sha256) override;
  absl::StatusOr<ListObjectsResult> ListObjects(
      const CallContext& context, const ListObjectsRequest& request) override;
  absl::StatusOr<uint64_t> CountObjects(
      const CallContext& context, const CountObjectsRequest& request) override;
  absl::StatusOr<SearchResult> Search(const CallContext& context,
                                      const SearchRequest& request) override;
  absl::StatusOr<KeywordSearchResult> SearchKeywords(
      const CallContext& context, const KeywordSearchRequest& request) override;
  absl::Status AwaitIndexing(const CallContext& context,
                             absl::string_view collection) override;

  // local_engine_admin.cc
  absl::Status Flush(const CallContext& context,
                     absl::string_view collection) override;
  absl::StatusOr<SnapshotInfo> CreateSnapshot(const CallContext& context,
                                              absl::string_view name) override;
  absl::StatusOr<std::vector<SnapshotInfo>> ListSnapshots(
      const CallContext& context) override;
  absl::StatusOr<RestoreSnapshotResult> RestoreSnapshot(
      const CallContext& context, absl::string_view name) override;
  absl::StatusOr<CompactionResult> CompactCollection(
      const CallContext& context, absl::string_view collection) override;
  absl::Status Reset(const CallContext& context) override;

  // Writes the index snapshot of every collection now. The first error, after
  // all were tried.
  absl::Status WriteIndexSnapshots();

 private:
  class Import;
  using CollectionMap =
      std::map<std::string, absl::StatusOr<std::shared_ptr<LocalCollection>>,
               std::less<>>;

  struct MadeCollection {
    Collection description;
    std::shared_ptr<LocalCollection> opened;
  };
  // Held by the one operation on everything that is under way.
  struct EndAdministration {
    void operator()(std::atomic<bool>* administered) const {
      administered->store(false);
    }
  };
  using Administration = std::unique_ptr<std::atomic<bool>, EndAdministration>;

  explicit LocalEngine(const LocalEngineOptions& options);
  std::vector<std::shared_ptr<LocalCollection>> OpenCollections() const;
  void MaintainIndexSnapshots(bool closing);
  absl::Status Load();
  absl::Status RemoveOrphans(const std::vector<Collection>& collections);
  std::filesystem::path DirectoryOf(uint64_t id) const;
  absl::StatusOr<std::shared_ptr<LocalCollection>> OpenCollection(
      const Collection& collection) const;
  absl::StatusOr<std::shared_ptr<LocalCollection>> Find(
      const CallContext& context, absl::string_view name) const;

  absl::StatusOr<Administration> BeginAdministration(
      const CallContext& context);
  absl::Status Step(absl::string_view name) const;
  absl::StatusOr<std::vector<SnapshotSource>> BeginSnapshotReads();
  absl::StatusOr<MadeCollection> CopyFromSnapshot(
      const CallContext& context, const VerifiedSnapshot& snapshot,
      Collection collection);
  // In one commit; the collections of before go when nobody uses them.
  absl::Status ReplaceAll(const std::vector<MadeCollection>& made);

  const LocalEngineOptions options_;
  std::unique_ptr<DirectoryLock> directory_lock_;
  std::unique_ptr<ThreadPool> own_executor_;
  std::unique_ptr<BulkVectorizer> bulk_vectorizer_;
  std::unique_ptr<IndexSnapshotMetrics> index_snapshot_metrics_;
  CollectionEnvironment environment_;
  const SnapshotRoot snapshots_;
  Histogram* search_seconds_ = nullptr;  // null: nothing is measured
  std::atomic<bool> administered_{false};

  // Held by the one call that changes the catalog, across its commit.
  absl::Mutex catalog_mutex_;
  std::unique_ptr<Catalog> catalog_ ABSL_GUARDED_BY(catalog_mutex_);
  // Collections as the catalog has them; also those that did not open.
  std::map<std::string, Collection, std::less<>> catalogued_
      ABSL_GUARDED_BY(catalog_mutex_);

  mutable absl::Mutex mutex_ ABSL_ACQUIRED_AFTER(catalog_mutex_);
  CollectionMap collections_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<PeriodicTask> index_snapshot_keeper_;
};

}  // namespace diptych::storage
