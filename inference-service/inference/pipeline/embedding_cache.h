// Embeddings by the content they were made of, so that what is sent again is
// not computed again.
//
// Operation: a key is the SHA-256 of a scope, a modality and the content. The
// scope says what else decides the embedding: the model's fingerprint and how
// its input is prepared. So one cache serves all models, and a model loaded
// anew never sees the vectors of the one before. When an entry does not fit,
// those that were looked up longest ago go.
// Concurrency: every method may be called from any thread.
// Limits: bytes_max, counted with what an entry costs besides its vector; an
// entry larger than that is not kept.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/observability/metrics.h"
#include "inference/model/encoder.h"

namespace diptych::inference {

struct CachedEmbedding {
  Embedding embedding;
  bool truncated = false;
  int tokens = 0;
};

class EmbeddingCache {
 public:
  // A bound for what an entry costs beside its floats: two copies of the key,
  // the nodes of list and table.
  static constexpr size_t kEntryBytes = 256;

  // `metrics` outlives the cache.
  EmbeddingCache(size_t bytes_max, MetricsRegistry& metrics);
  EmbeddingCache(const EmbeddingCache&) = delete;
  EmbeddingCache& operator=(const EmbeddingCache&) = delete;

  // 32 bytes.
  static std::string KeyOf(absl::string_view scope, bool is_image,
                           absl::string_view content);

  // Nothing when `key` is not there.
  std::optional<CachedEmbedding> Find(const std::string& key);

  // Keeps `value`; a key that is there keeps its older value.
  void Insert(const std::string& key, CachedEmbedding value);

  size_t bytes() const;

 private:
  struct Entry {
    std::string key;
    CachedEmbedding value;
  };
  using Entries = std::list<Entry>;

  static size_t BytesOf(const Entry& entry);

  const size_t bytes_max_;
  Gauge& bytes_gauge_;
  Gauge& entries_gauge_;
  Counter& evictions_;

  mutable absl::Mutex mutex_;
  // The last one looked up stands first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Entries::iterator> places_
      ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::inference
