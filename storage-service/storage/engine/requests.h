// What an engine is asked and what it answers, as plain values.
//
// Unless said otherwise a collection is meant by its name, and an empty name of
// a vector space means kDefaultVectorSpace.
//
// Concurrency: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "storage/types/collection_spec.h"
#include "storage/types/filter.h"
#include "storage/types/object.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// Bytes of images by name of the property that holds them.
using ImageBytes = std::map<std::string, std::string, std::less<>>;

// ---- collections ----

struct CreateCollectionRequest {
  // Without vector spaces: those of DefaultCollectionSpec(). Fingerprints are
  // the engine's to set and must be empty.
  CollectionSpec spec;
  // A collection of that name is returned as it is instead of ALREADY_EXISTS.
  bool get_or_create = false;
};

struct CreateCollectionResult {
  Collection collection;
  bool created = false;
};

struct ListCollectionsRequest {
  uint32_t page_size = 0;  // 0: the default; more than the maximum: the maximum
  std::string page_token;
};

struct ListCollectionsResult {
  std::vector<Collection> collections;  // by name
  std::string next_page_token;          // empty: the last page
};

// Changes what is given; at least one.
struct UpdateCollectionRequest {
  std::string name;
  std::optional<std::string> new_name;
  std::optional<Properties> metadata;  // replaces all of it
  std::map<std::string, uint32_t> ef_search_by_space;
  std::optional<UriImages> uri_images;  // of what is written from now on
};

struct VectorSpaceStats {
  std::string name;
  uint64_t vectors = 0;
  uint32_t dimension = 0;  // 0: not fixed yet
  // A graph is being built in the background. Searches are complete meanwhile.
  bool building = false;
  uint64_t index_bytes = 0;
  std::string model_fingerprint;
};

struct CollectionStats {
  uint64_t objects = 0;
  uint64_t disk_bytes = 0;
  uint64_t images = 0;  // distinct contents
  std::vector<VectorSpaceStats> vector_spaces;
};

// ---- operation ----

struct SnapshotInfo {
  std::string name;
  Timestamp create_time;
  uint64_t size_bytes = 0;
  uint64_t collections = 0;
};

struct RestoreSnapshotResult {
  uint64_t collections = 0;
};

struct CompactionResult {
  uint64_t disk_bytes_before = 0;
  uint64_t disk_bytes_after = 0;
};

// ---- objects ----

// An object as a caller gives it.
struct ObjectWrite {
  // Empty: the engine makes one (UUIDv7; not in updates).
  std::string id;
  // An image property is an ImageReference whose bytes come in `images`, or
  // whose content (by SHA-256) the collection already holds, or a URI, which is
  // loaded where a vector needs it or the collection keeps the bytes.
  Properties properties;
  // The hash, the size and, where `properties` lacks it, the reference itself
  // are filled in from the bytes.
  ImageBytes images;
  // Own vectors by space; they win over the vectorizer.
  NamedVectors vectors;
};

enum class WriteMode : uint8_t {
  kInsert = 1,  // an id that exists is kept as it is, and reported
  kUpsert = 2,  // an id that exists is replaced
};

struct WriteObjectsRequest {
  std::string collection;
  WriteMode mode = WriteMode::kUpsert;
  std::vector<ObjectWrite> objects;  // 1 to objects_per_batch_max, unique ids
};

enum class WriteOutcome : uint8_t { kCreated = 1, kReplaced = 2, kKept = 3 };

struct WrittenObject {
  std::string id;
  WriteOutcome outcome = WriteOutcome::kCreated;
};

struct WriteObjectsResult {
  std::vector<WrittenObject> objects;  // in the order of the request
};

// Changes what is given of objects that exist: null deletes a property, an
// empty vector takes the object out of that space. Vectors that the vectorizer
// makes are made anew where a field that feeds them changed.
struct UpdateObjectsRequest {
  std::string collection;
  std::vector<ObjectWrite> objects;  // 1 to objects_per_batch_max, unique ids
};

struct UpdateObjectsResult {
  std::vector<std::string> missing_ids;  // the others are updated
};

// At least one of `ids` and `filter`; with both, what satisfies both.
struct DeleteObjectsRequest {
  std::string collection;
  std::vector<std::string> ids;  // those that do not exist are passed over
  std::optional<Filter> filter;
  uint64_t limit = 0;  // at most so many, in the order of ids; 0: all
};

struct DeleteObjectsResult {
  uint64_t deleted = 0;
};

// An object as an engine gives it.
struct ObjectView {
  Object object;
  ImageBytes images;  // when the projection asks for them
};

struct GetObjectsRequest {
  std::string collection;
  std::vector<std::string> ids;  // 1 to objects_per_batch_max
  Projection projection;
};

struct GetObjectsResult {
  std::vector<ObjectView> objects;  // in the order asked
  std::vector<std::string> missing_ids;
};

// By a property's scalar value: false before true, then numbers, then texts
// (bytewise, by their first 256 bytes), then timestamps. Equals by id. Objects
// without one come last, both ways.
struct OrderBy {
  std::string property;
  bool descending = false;
};

struct ListObjectsRequest {
  std::string collection;
  std::optional<Filter> filter;
  // Absent: by id, bytewise.
  std::optional<OrderBy> order_by;
  uint32_t page_size = 0;  // 0: the default; more than the maximum: the maximum
  // next_page_token of the page before; all else must be equal but the size.
  std::string page_token;
  Projection projection;
};

struct ListObjectsResult {
  std::vector<ObjectView> objects;
  std::string next_page_token;  // empty: the last page
};

struct CountObjectsRequest {
  std::string collection;
  std::optional<Filter> filter;
};

// ---- search ----

// Query by the vector of a stored object.
struct NearObject {
  std::string id;
  bool include_self = false;
};

struct SearchRequest {
  std::string collection;
  std::string vector_space;
  std::variant<std::vector<float>, NearObject> query;
  // Set when the vector was made by a model: a space that holds vectors of
  // another refuses it.
  std::string model_fingerprint;
  uint32_t top_k = 10;  // at least 1; with offset at most results_max
  uint32_t offset = 0;
  std::optional<Filter> filter;
  // Not among the hits, whether they exist or not; at most results_max.
  std::vector<std::string> excluded_ids;
  std::optional<double> max_distance;
  bool exact = false;      // compare with every vector
  uint32_t ef_search = 0;  // 0: the space's own
  Projection projection;
};

// Words to look for.
struct Keywords {
  std::string text;
  // Text properties and lists of texts, names unique; empty: all.
  std::vector<std::string> properties;
  // By property: how much a word there counts; 1 where nothing is said.
  std::map<std::string, double> boosts;
};

struct KeywordSearchRequest {
  std::string collection;
  Keywords keywords;
  uint32_t top_k = 10;  // at least 1; with offset at most results_max
  uint32_t offset = 0;
  std::optional<Filter> filter;
  // Not among the hits, whether they exist or not; at most results_max.
  std::vector<std::string> excluded_ids;
  Projection projection;
};

struct KeywordHit {
  ObjectView view;
  double score = 0;  // BM25F (KeywordIndex), greater is better
};

struct KeywordSearchResult {
  // Best first; equal scores by id. Only objects with one of the words.
  std::vector<KeywordHit> hits;
};

struct SearchHit {
  ObjectView view;
  double distance = 0;
};

struct SearchResult {
  // Nearest first; equal distances by id.
  std::vector<SearchHit> hits;
};

}  // namespace diptych::storage
