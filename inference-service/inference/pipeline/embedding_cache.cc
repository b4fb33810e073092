#include "inference/pipeline/embedding_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"

namespace diptych::inference {
namespace {

constexpr MetricDescription kBytes = {"diptych_inference_cache_bytes",
                                      "Memory of the embeddings that are kept"};
constexpr MetricDescription kEntries = {"diptych_inference_cache_entries",
                                        "Embeddings that are kept"};
constexpr MetricDescription kEvictions = {
    "diptych_inference_cache_evictions_total",
    "Embeddings that had to go for newer ones"};

}  // namespace

EmbeddingCache::EmbeddingCache(size_t bytes_max, MetricsRegistry& metrics)
    : bytes_max_(bytes_max),
      bytes_gauge_(metrics.AddGauge(kBytes)),
      entries_gauge_(metrics.AddGauge(kEntries)),
      evictions_(metrics.AddCounter(kEvictions)) {}

std::string EmbeddingCache::KeyOf(absl::string_view scope, bool is_image,
                                  absl::string_view content) {
  Sha256Hasher hasher;
  // The length keeps the scope and what follows apart.
  hasher.Update(absl::StrCat(scope.size(), is_image ? " image " : " text "));
  hasher.Update(scope);
  hasher.Update(content);
  return hasher.Finish();
}

size_t EmbeddingCache::BytesOf(const Entry& entry) {
  return kEntryBytes + entry.value.embedding.capacity() * sizeof(float);
}

std::optional<CachedEmbedding> EmbeddingCache::Find(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->value;
}

void EmbeddingCache::Insert(const std::string& key, CachedEmbedding value) {
  Entry entry{key, std::move(value)};
  entry.value.embedding.shrink_to_fit();
  const size_t needed = BytesOf(entry);
  if (needed > bytes_max_) return;
  // Freed outside the lock.
  Entries evicted;
  {
    absl::MutexLock lock(&mutex_);
    if (places_.contains(key)) return;
    while (bytes_ + needed > bytes_max_) {
      bytes_ -= BytesOf(entries_.back());
      places_.erase(entries_.back().key);
      evicted.splice(evicted.begin(), entries_, std::prev(entries_.end()));
    }
    entries_.push_front(std::move(entry));
    places_.emplace(key, entries_.begin());
    bytes_ += needed;
    bytes_gauge_.Set(static_cast<double>(bytes_));
    entries_gauge_.Set(static_cast<double>(entries_.size()));
  }
  evictions_.Increment(static_cast<double>(evicted.size()));
}

size_t EmbeddingCache::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace diptych::inference
