// The engine on this machine: LMDB below, hnswlib beside it.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/thread_pool.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "storage/engine/bulk_vectorizer.h"
#include "storage/engine/catalog.h"
#include "storage/engine/engine.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/uri_loader.h"
#include "storage/engine/vectorizer.h"
#include "storage/engine/write_queue.h"
#include "storage/record/directory_lock.h"
#include "storage/record/lmdb_record_store.h"

namespace diptych::storage {

struct LocalEngineOptions {
  std::filesystem::path data_directory;
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
  // Opens the record store in a directory; empty: LMDB's.
  std::function<absl::StatusOr<std::unique_ptr<RecordStore>>(
      const std::filesystem::path& directory)>
      open_store;
};

// Operation: DATA/LOCK keeps other processes out; DATA/catalog/ says which
// collections there are; DATA/collections/<id>/ holds each. A start builds the
// indexes, and removes directories that no collection owns.
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
    return {.keyword_search = true};
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

 private:
  class Import;
  using CollectionMap =
      std::map<std::string, absl::StatusOr<std::shared_ptr<LocalCollection>>,
               std::less<>>;

  explicit LocalEngine(const LocalEngineOptions& options);
  absl::Status Load();
  absl::Status RemoveOrphans(const std::vector<Collection>& collections);
  std::filesystem::path DirectoryOf(uint64_t id) const;
  absl::StatusOr<std::shared_ptr<LocalCollection>> Find(
      const CallContext& context, absl::string_view name) const;

  const LocalEngineOptions options_;
  std::unique_ptr<DirectoryLock> directory_lock_;
  std::unique_ptr<ThreadPool> own_executor_;
  std::unique_ptr<BulkVectorizer> bulk_vectorizer_;
  CollectionEnvironment environment_;

  // Held by the one call that changes the catalog, across its commit.
  absl::Mutex catalog_mutex_;
  std::unique_ptr<Catalog> catalog_ ABSL_GUARDED_BY(catalog_mutex_);
  // Collections as the catalog has them; also those that did not open.
  std::map<std::string, Collection, std::less<>> catalogued_
      ABSL_GUARDED_BY(catalog_mutex_);

  mutable absl::Mutex mutex_ ABSL_ACQUIRED_AFTER(catalog_mutex_);
  CollectionMap collections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
