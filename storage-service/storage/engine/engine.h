// Where collections live and are searched. The service above it speaks to this
// interface alone, so it can run on this machine's LocalEngine or on an
// existing distributed engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/object_import.h"
#include "storage/engine/requests.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// What an engine can do natively; a caller asks before it offers.
struct EngineCapabilities {
  bool ordered_listing = false;  // ListObjects by a property
  bool keyword_search = false;   // SearchKeywords
  bool atomic_batches = true;    // a request's writes are all done or none
  bool exact_search = true;
  bool read_your_writes = true;
};

// Operation: a write that returned OK is durable and searchable. Each write
// request is atomic: on an error nothing of it is written. Every bad field of a
// request is named (FieldViolationsOf), with the paths of the request structs,
// e.g. `objects[3].vectors["default"]`.
//
// Errors of every call, beside those named below:
//   INVALID_ARGUMENT    a request that can never succeed as it is
//   NOT_FOUND           no such collection (ResourceInfo)
//   RESOURCE_EXHAUSTED  too much at once (with RetryAfterOf), or the disk or
//                       the store is full (without)
//   DATA_LOSS           a stored record fails its checksum
//   DEADLINE_EXCEEDED, CANCELLED
//
// Concurrency: every method may be called from any thread; calls block until
// done. Reads do not wait for writes, but for a search or a listing by filter
// or order that waits out the commit under way when an object it found was
// replaced before it was read.
//
// Limits: `limits()`.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual EngineCapabilities capabilities() const = 0;
  virtual const Limits& limits() const = 0;

  // ALREADY_EXISTS when the name is taken; RESOURCE_EXHAUSTED when there are
  // collections_max.
  virtual absl::StatusOr<CreateCollectionResult> CreateCollection(
      const CallContext& context, const CreateCollectionRequest& request) = 0;

  virtual absl::StatusOr<Collection> GetCollection(const CallContext& context,
                                                   absl::string_view name) = 0;

  virtual absl::StatusOr<ListCollectionsResult> ListCollections(
      const CallContext& context, const ListCollectionsRequest& request) = 0;

  // ALREADY_EXISTS when the new name is taken.
  virtual absl::StatusOr<Collection> UpdateCollection(
      const CallContext& context, const UpdateCollectionRequest& request) = 0;

  // Calls in progress on it end with their result or NOT_FOUND.
  virtual absl::Status DeleteCollection(const CallContext& context,
                                        absl::string_view name) = 0;

  virtual absl::StatusOr<CollectionStats> GetCollectionStats(
      const CallContext& context, absl::string_view name) = 0;

  // Inserts or upserts. Where a space has a vectorizer and the object no vector
  // of its own, the vector is made first; an object with none of the space's
  // fields has no vector there.
  //   FAILED_PRECONDITION  the vectorizer's model is not the one whose vectors
  //                        lie in the space, or the engine has no vectorizer
  //   UNAVAILABLE          vectors must be made and the inference service is
  //                        down
  virtual absl::StatusOr<WriteObjectsResult> WriteObjects(
      const CallContext& context, WriteObjectsRequest request) = 0;

  // An import into the collection, which ends when it is destroyed; it must not
  // outlive the engine.
  virtual absl::StatusOr<std::unique_ptr<ObjectImport>> OpenImport(
      const CallContext& context, absl::string_view collection,
      WriteMode mode) = 0;

  // Errors as WriteObjects.
  virtual absl::StatusOr<UpdateObjectsResult> UpdateObjects(
      const CallContext& context, UpdateObjectsRequest request) = 0;

  virtual absl::StatusOr<DeleteObjectsResult> DeleteObjects(
      const CallContext& context, const DeleteObjectsRequest& request) = 0;

  // RESOURCE_EXHAUSTED when the answer would hold more than
  // answer_bytes_max; ask for fewer ids or less of each.
  virtual absl::StatusOr<GetObjectsResult> GetObjects(
      const CallContext& context, const GetObjectsRequest& request) = 0;

  // The bytes of an image of the collection's objects, by their SHA-256.
  // NOT_FOUND: the collection does not hold them.
  virtual absl::StatusOr<std::string> GetImage(
      const CallContext& context, absl::string_view collection,
      absl::string_view content_sha256) = 0;

  // A page is as of one moment; pages continue behind the place of the last
  // object given (its id, or its value and id), whether it is still there or
  // not. An object that is there, with one value, from the first page to the
  // last is given once; one whose value changes meanwhile may be given twice or
  // not at all. UNIMPLEMENTED for an order that the engine lacks.
  virtual absl::StatusOr<ListObjectsResult> ListObjects(
      const CallContext& context, const ListObjectsRequest& request) = 0;

  virtual absl::StatusOr<uint64_t> CountObjects(
      const CallContext& context, const CountObjectsRequest& request) = 0;

  // NOT_FOUND when the near object does not exist; FAILED_PRECONDITION when it
  // has no vector in the space, or when the query's model is not the space's.
  virtual absl::StatusOr<SearchResult> Search(const CallContext& context,
                                              const SearchRequest& request) = 0;

  // Ranks by words, with BM25 over text properties. It needs no vectors.
  // UNIMPLEMENTED by an engine without keyword search.
  virtual absl::StatusOr<KeywordSearchResult> SearchKeywords(
      const CallContext& context, const KeywordSearchRequest& request) = 0;

  // Syncs a collection, or all with an empty name, to the disk, and writes what
  // makes the next start quick. Durability does not need it.
  virtual absl::Status Flush(const CallContext& context,
                             absl::string_view collection) = 0;

  // Writes a copy of all collections, as of one moment between the commits of
  // all: with a write it holds everything that was acknowledged before that
  // write began, in whatever collection. Reads and writes go on.
  //   INVALID_ARGUMENT     `name` is not 1 to 128 of [a-zA-Z0-9._-], or begins
  //                        with a dot
  //   ALREADY_EXISTS       there is a snapshot of this name
  //   FAILED_PRECONDITION  the engine keeps no snapshots
  //   RESOURCE_EXHAUSTED   the disk is full, there are snapshots_max, or
  //                        another operation of this kind is under way (with
  //                        RetryAfterOf); nothing is left
  //   DATA_LOSS            a collection cannot be read
  virtual absl::StatusOr<SnapshotInfo> CreateSnapshot(
      const CallContext& context, absl::string_view name) = 0;

  // By name. FAILED_PRECONDITION: the engine keeps no snapshots.
  virtual absl::StatusOr<std::vector<SnapshotInfo>> ListSnapshots(
      const CallContext& context) = 0;

  // Replaces all collections by those of a snapshot, at once and durably; on
  // an error, and after a crash before the end, all is as it was. The
  // collections keep everything but their uid. Calls in progress on the
  // collections of before end with their result or NOT_FOUND.
  //   NOT_FOUND            no such snapshot (ResourceInfo)
  //   FAILED_PRECONDITION  the engine keeps no snapshots, or a newer version
  //                        wrote this one
  //   DATA_LOSS            the snapshot is not what was written
  virtual absl::StatusOr<RestoreSnapshotResult> RestoreSnapshot(
      const CallContext& context, absl::string_view name) = 0;

  // Rewrites a collection, so that nothing deleted is left on the disk. Reads
  // go on; writes wait, and wait in vain when their deadline is nearer.
  virtual absl::StatusOr<CompactionResult> CompactCollection(
      const CallContext& context, absl::string_view collection) = 0;

  // Deletes all collections, at once. Snapshots stay.
  virtual absl::Status Reset(const CallContext& context) = 0;

  // Waits until what is written so far is indexed as well as it will be. Never
  // needed for correct answers; for measuring.
  virtual absl::Status AwaitIndexing(const CallContext& context,
                                     absl::string_view collection) = 0;
};

}  // namespace diptych::storage
