#include "storage/engine/local_engine.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/collection_validation.h"
#include "storage/engine/object_validation.h"
#include "storage/engine/page_token.h"
#include "storage/engine/uuid.h"
#include "storage/keyword/text_terms.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {
namespace {

constexpr MetricDescription kSearchSeconds = {
    "diptych_search_seconds",
    "Time of the engine for one search of vectors, without the RPC around it"};

absl::Status NoSuchCollection(absl::string_view name) {
  return ResourceNotFound(
      "collection", name,
      absl::StrCat("there is no collection of this name; create it first: ",
                   std::string(name)));
}

absl::Status CollectionNameTaken(absl::string_view name) {
  return ResourceExists(
      "collection", name,
      absl::StrCat("there is a collection of this name; choose another name, "
                   "or ask for get-or-create: ",
                   std::string(name)));
}

}  // namespace

LocalEngine::LocalEngine(const LocalEngineOptions& options)
    : options_(options),
      snapshots_(options.snapshot_directory, options.lmdb,
                 options.limits.snapshots_max, options.before_step) {
  environment_.limits = options.limits;
  environment_.write_queue = options.write_queue;
  environment_.clock = options.clock;
  environment_.vectorizer = options.vectorizer;
  environment_.uri_loader = options.uri_loader;
  environment_.executor = options.executor;
  environment_.index_snapshots = options.index_snapshots;
  if (options.metrics != nullptr) {
    search_seconds_ =
        &options.metrics->AddHistogram(kSearchSeconds, DurationBuckets());
    index_snapshot_metrics_ =
        std::make_unique<IndexSnapshotMetrics>(*options.metrics);
    environment_.index_snapshot_metrics = index_snapshot_metrics_.get();
  }
  if (environment_.executor == nullptr && options.index_threads > 0) {
    own_executor_ = std::make_unique<ThreadPool>(ThreadPoolOptions{
        .name = "index",
        .threads = static_cast<int>(options.index_threads),
        .queue_max = static_cast<int>(options.limits.collections_max *
                                      Limits::kVectorSpacesPerCollectionMax)});
    environment_.executor = own_executor_.get();
  }
  if (options.vectorizer != nullptr) {
    bulk_vectorizer_ = std::make_unique<BulkVectorizer>(
        options.vectorizer, options.clock, options.bulk_vectorizer,
        options.metrics);
    environment_.bulk_vectorizer = bulk_vectorizer_.get();
  }
}

LocalEngine::~LocalEngine() {
  index_snapshot_keeper_.reset();
  MaintainIndexSnapshots(/*closing=*/true);
  absl::MutexLock lock(&mutex_);
  collections_.clear();
}

absl::StatusOr<std::unique_ptr<LocalEngine>> LocalEngine::Open(
    const LocalEngineOptions& options) {
  LocalEngineOptions completed = options;
  if (!completed.open_store) {
    completed.open_store =
        [lmdb = options.lmdb](const std::filesystem::path& directory)
        -> absl::StatusOr<std::unique_ptr<RecordStore>> {
      return LmdbRecordStore::Open(directory, lmdb);
    };
  }
  std::unique_ptr<LocalEngine> engine(new LocalEngine(completed));
  DIPTYCH_ASSIGN_OR_RETURN(engine->directory_lock_,
                           DirectoryLock::Acquire(options.data_directory));
  DIPTYCH_RETURN_IF_ERROR(engine->Load());
  if (options.index_snapshots.changes_min > 0) {
    engine->index_snapshot_keeper_ = std::make_unique<PeriodicTask>(
        *options.clock, options.index_snapshots.check_interval,
        [engine = engine.get()] { engine->MaintainIndexSnapshots(false); });
  }
  return engine;
}

std::vector<std::shared_ptr<LocalCollection>> LocalEngine::OpenCollections()
    const {
  std::vector<std::shared_ptr<LocalCollection>> collections;
  absl::MutexLock lock(&mutex_);
  for (const auto& [unused, collection] : collections_) {
    if (collection.ok()) collections.push_back(*collection);
  }
  return collections;
}

absl::Status LocalEngine::WriteIndexSnapshots() {
  absl::Status status;
  for (const auto& collection : OpenCollections()) {
    status.Update(collection->WriteIndexSnapshot());
  }
  return status;
}

void LocalEngine::MaintainIndexSnapshots(bool closing) {
  LocalCollection::IndexSnapshotNeed all;
  for (const auto& collection : OpenCollections()) {
    const auto need = collection->MaintainIndexSnapshot(closing);
    all.changes += need.changes;
    all.age = std::max(all.age, need.age);
  }
  if (index_snapshot_metrics_ == nullptr) return;
  index_snapshot_metrics_->uncovered_changes.Set(
      static_cast<double>(all.changes));
  index_snapshot_metrics_->age_seconds.Set(absl::ToDoubleSeconds(all.age));
}

std::filesystem::path LocalEngine::DirectoryOf(uint64_t id) const {
  return options_.data_directory / "collections" / CollectionDirectoryName(id);
}

absl::Status LocalEngine::Load() {
  DIPTYCH_RETURN_IF_ERROR(CheckTextTermData());
  absl::MutexLock catalog_lock(&catalog_mutex_);
  DIPTYCH_ASSIGN_OR_RETURN(
      auto store, options_.open_store(options_.data_directory / "catalog"));
  DIPTYCH_ASSIGN_OR_RETURN(catalog_, Catalog::Open(std::move(store)));
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<Collection> collections,
                           catalog_->ReadAll());
  DIPTYCH_RETURN_IF_ERROR(RemoveOrphans(collections));
  // They share nothing, so each processor opens some of them.
  std::vector<CollectionMap::mapped_type> opened(collections.size(),
                                                 absl::UnknownError(""));
  std::atomic<size_t> next{0};
  const auto open_some = [&] {
    for (size_t i = next++; i < collections.size(); i = next++) {
      opened[i] = OpenCollection(collections[i]);
    }
  };
  std::vector<std::thread> threads;
  const size_t threads_wanted =
      std::min<size_t>(std::thread::hardware_concurrency(), collections.size());
  while (threads.size() + 1 < threads_wanted) threads.emplace_back(open_some);
  open_some();
  for (std::thread& thread : threads) thread.join();
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < collections.size(); ++i) {
    catalogued_.emplace(collections[i].spec.name, collections[i]);
    collections_.emplace(collections[i].spec.name, std::move(opened[i]));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<LocalCollection>> LocalEngine::OpenCollection(
    const Collection& collection) const {
  auto records = options_.open_store(DirectoryOf(collection.id));
  absl::Status status = records.status();
  if (status.ok()) {
    auto opened =
        LocalCollection::Open(collection, *std::move(records),
                              DirectoryOf(collection.id), &environment_);
    if (opened.ok()) return opened;
    status = opened.status();
  }
  return Annotate(status, "the collection could not be opened");
}

absl::Status LocalEngine::RemoveOrphans(
    const std::vector<Collection>& collections) {
  std::set<uint64_t> ids;
  for (const Collection& collection : collections) ids.insert(collection.id);
  std::error_code error;
  const std::filesystem::path parent = options_.data_directory / "collections";
  std::filesystem::create_directories(parent, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot make ", parent.string(), ": ", error.message()));
  }
  std::vector<std::filesystem::path> orphans;
  for (std::filesystem::directory_iterator entry(parent, error), end;
       !error && entry != end; entry.increment(error)) {
    uint64_t id;
    // What is not ours is left alone.
    if (ParseCollectionDirectoryName(entry->path().filename().string(), id) &&
        !ids.contains(id)) {
      orphans.push_back(entry->path());
    }
  }
  for (const std::filesystem::path& orphan : orphans) {
    if (!error) std::filesystem::remove_all(orphan, error);
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot tidy ", parent.string(), ": ", error.message()));
}

absl::StatusOr<std::shared_ptr<LocalCollection>> LocalEngine::Find(
    const CallContext& context, absl::string_view name) const {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  absl::MutexLock lock(&mutex_);
  const auto found = collections_.find(name);
  if (found == collections_.end()) return NoSuchCollection(name);
  return found->second;
}

absl::StatusOr<CreateCollectionResult> LocalEngine::CreateCollection(
    const CallContext& context, const CreateCollectionRequest& request) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  CollectionSpec spec = request.spec;
  if (spec.vector_spaces.empty()) {
    spec.vector_spaces = DefaultCollectionSpec("").vector_spaces;
  }
  for (VectorSpace& space : spec.vector_spaces) {
    if (space.name.empty()) space.name = kDefaultVectorSpace;
  }
  DIPTYCH_RETURN_IF_ERROR(ValidateCollectionSpec(spec, limits()));

  absl::MutexLock catalog_lock(&catalog_mutex_);
  if (catalogued_.contains(spec.name)) {
    if (!request.get_or_create) return CollectionNameTaken(spec.name);
    DIPTYCH_ASSIGN_OR_RETURN(auto existing, Find(context, spec.name));
    return CreateCollectionResult{existing->description(), false};
  }
  if (catalogued_.size() >= limits().collections_max) {
    return WithReason(
        absl::ResourceExhaustedError(absl::StrCat(
            "there are as many collections as are allowed; delete one first: ",
            limits().collections_max)),
        "COLLECTIONS_MAX");
  }
  const absl::Time now = options_.clock->Now();
  Collection collection;
  collection.id = catalog_->TakeId();
  collection.uid = MakeUuidV7(now);
  collection.spec = std::move(spec);
  collection.create_time = {absl::ToUnixMicros(now)};
  collection.update_time = collection.create_time;
  // The store first: a crash in between leaves an orphan, which the next start
  // removes.
  const std::filesystem::path directory = DirectoryOf(collection.id);
  DIPTYCH_ASSIGN_OR_RETURN(auto store, options_.open_store(directory));
  DIPTYCH_ASSIGN_OR_RETURN(auto opened,
                           LocalCollection::Open(collection, std::move(store),
                                                 directory, &environment_));
  if (absl::Status added = catalog_->Add(collection); !added.ok()) {
    opened->RemoveWhenUnused(directory);
    return added;
  }
  CreateCollectionResult result{opened->description(), true};
  absl::MutexLock lock(&mutex_);
  catalogued_.insert_or_assign(collection.spec.name, collection);
  collections_.insert_or_assign(collection.spec.name, std::move(opened));
  return result;
}

absl::StatusOr<Collection> LocalEngine::GetCollection(
    const CallContext& context, absl::string_view name) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, name));
  return collection->description();
}

absl::StatusOr<ListCollectionsResult> LocalEngine::ListCollections(
    const CallContext& context, const ListCollectionsRequest& request) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  const uint64_t hash = PageRequestHash("collections");
  std::string after;
  if (!request.page_token.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(after, DecodePageToken(hash, request.page_token));
  }
  const size_t page_size = std::min<size_t>(
      request.page_size == 0 ? limits().page_size_default : request.page_size,
      limits().page_size_max);
  ListCollectionsResult result;
  absl::MutexLock catalog_lock(&catalog_mutex_);
  absl::MutexLock lock(&mutex_);
  for (auto entry = collections_.upper_bound(after);
       entry != collections_.end(); ++entry) {
    if (result.collections.size() == page_size) {
      result.next_page_token =
          EncodePageToken(hash, result.collections.back().spec.name);
      break;
    }
    // One that could not be opened is still listed, as it was created.
    result.collections.push_back(entry->second.ok()
                                     ? (*entry->second)->description()
                                     : catalogued_.find(entry->first)->second);
  }
  return result;
}

absl::StatusOr<Collection> LocalEngine::UpdateCollection(
    const CallContext& context, const UpdateCollectionRequest& request) {
  FieldViolations violations;
  if (!request.new_name.has_value() && !request.metadata.has_value() &&
      request.ef_search_by_space.empty() && !request.uri_images.has_value()) {
    violations.Add("name", "is all that is given; give what is to change");
  }
  if (request.new_name.has_value()) {
    ValidateCollectionName(*request.new_name, "new_name", violations);
  }
  if (request.metadata.has_value()) {
    ValidateMetadata(*request.metadata, "metadata", limits(), violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());

  absl::MutexLock catalog_lock(&catalog_mutex_);
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.name));
  Collection next = catalogued_.find(request.name)->second;
  for (const auto& [name, ef_search] : request.ef_search_by_space) {
    const std::string field =
        absl::StrCat("ef_search_by_space", Subscript(name));
    const int space = FindSpace(next.spec, name);
    if (space < 0) {
      violations.Add(field, "names no vector space of the collection");
      continue;
    }
    ValidateEfSearch(ef_search, field, violations);
    next.spec.vector_spaces[space].hnsw.ef_search = ef_search;
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  if (request.metadata.has_value()) next.spec.metadata = *request.metadata;
  if (request.uri_images.has_value()) {
    next.spec.uri_images = *request.uri_images;
  }
  if (request.new_name.has_value() && *request.new_name != request.name) {
    if (catalogued_.contains(*request.new_name)) {
      return CollectionNameTaken(*request.new_name);
    }
    next.spec.name = *request.new_name;
  }
  next.update_time = {absl::ToUnixMicros(options_.clock->Now())};
  DIPTYCH_RETURN_IF_ERROR(catalog_->Replace(next));

  collection->SetDescription(next);
  absl::MutexLock lock(&mutex_);
  catalogued_.erase(catalogued_.find(request.name));
  collections_.erase(collections_.find(request.name));
  collections_.insert_or_assign(next.spec.name, collection);
  catalogued_.insert_or_assign(next.spec.name, std::move(next));
  return collection->description();
}

absl::Status LocalEngine::DeleteCollection(const CallContext& context,
                                           absl::string_view name) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(options_.clock->Now()));
  absl::StatusOr<std::shared_ptr<LocalCollection>> removed;
  std::filesystem::path directory;
  {
    absl::MutexLock catalog_lock(&catalog_mutex_);
    const auto found = catalogued_.find(name);
    if (found == catalogued_.end()) return NoSuchCollection(name);
    DIPTYCH_RETURN_IF_ERROR(catalog_->Remove(found->second.id));
    directory = DirectoryOf(found->second.id);
    catalogued_.erase(found);
    absl::MutexLock lock(&mutex_);
    const auto opened = collections_.find(name);
    removed = std::move(opened->second);
    collections_.erase(opened);
  }
  if (removed.ok()) {
    (*removed)->RemoveWhenUnused(directory);
  } else {
    // What cannot be removed now is an orphan, which the next start removes.
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  return absl::OkStatus();
}

absl::StatusOr<CollectionStats> LocalEngine::GetCollectionStats(
    const CallContext& context, absl::string_view name) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, name));
  return collection->Stats();
}

absl::StatusOr<WriteObjectsResult> LocalEngine::WriteObjects(
    const CallContext& context, WriteObjectsRequest request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->Write(context, std::move(request));
}

absl::StatusOr<UpdateObjectsResult> LocalEngine::UpdateObjects(
    const CallContext& context, UpdateObjectsRequest request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->Update(context, std::move(request));
}

absl::StatusOr<DeleteObjectsResult> LocalEngine::DeleteObjects(
    const CallContext& context, const DeleteObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->Delete(context, request);
}

absl::StatusOr<GetObjectsResult> LocalEngine::GetObjects(
    const CallContext& context, const GetObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->Get(request);
}

absl::StatusOr<std::string> LocalEngine::GetImage(
    const CallContext& context, absl::string_view collection,
    absl::string_view content_sha256) {
  DIPTYCH_ASSIGN_OR_RETURN(auto found, Find(context, collection));
  return found->Image(content_sha256);
}

absl::StatusOr<ListObjectsResult> LocalEngine::ListObjects(
    const CallContext& context, const ListObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->List(request);
}

absl::StatusOr<uint64_t> LocalEngine::CountObjects(
    const CallContext& context, const CountObjectsRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->Count(request);
}

absl::StatusOr<SearchResult> LocalEngine::Search(const CallContext& context,
                                                 const SearchRequest& request) {
  const absl::Time start = options_.clock->Now();
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  auto result = collection->Search(context, request);
  if (search_seconds_ != nullptr) {
    search_seconds_->Observe(
        absl::ToDoubleSeconds(options_.clock->Now() - start));
  }
  return result;
}

absl::StatusOr<KeywordSearchResult> LocalEngine::SearchKeywords(
    const CallContext& context, const KeywordSearchRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, request.collection));
  return collection->SearchKeywords(context, request);
}

absl::Status LocalEngine::AwaitIndexing(const CallContext& context,
                                        absl::string_view collection_name) {
  DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context, collection_name));
  return collection->Compact();
}

}  // namespace diptych::storage
