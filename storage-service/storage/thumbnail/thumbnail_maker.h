// Thumbnails of stored pictures, each made once while it is remembered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "storage/thumbnail/thumbnail_encoder.h"

namespace diptych::storage {

struct ThumbnailMakerOptions {
  ThumbnailLimits limits;
  // Of thumbnails that are remembered; 0: none are.
  size_t cache_bytes_max = size_t{64} << 20;
  // Pictures that are decoded at the same time; others wait for their turn. A
  // decoded picture takes up to 8 bytes per pixel of the limit.
  int decodes_max = 2;
};

// Operation: a thumbnail is known by the hash of the picture and its size, so
// it is never stale; the least recently used are forgotten first. That a
// picture cannot be decoded is remembered too.
//   diptych_thumbnails_total{result}        made, cached or unreadable
//   diptych_thumbnail_seconds               how long it took to make one
//   diptych_thumbnail_cache_bytes           what is remembered
// Concurrency: every method may be called from any thread; blocks while it
// decodes.
// Limits: ThumbnailMakerOptions.
class ThumbnailMaker {
 public:
  // `clock` and `metrics` must outlive the maker.
  ThumbnailMaker(const ThumbnailMakerOptions& options, const Clock& clock,
                 MetricsRegistry& metrics);

  // The thumbnail of the picture whose SHA-256 is given; `read` brings its
  // bytes when they are needed. Empty: it cannot be decoded. Errors: those of
  // `read`.
  absl::StatusOr<std::string> Make(
      absl::string_view content_sha256, int pixels,
      absl::FunctionRef<absl::StatusOr<std::string>()> read);

 private:
  struct Entry {
    std::pair<std::string, int> key;
    std::string thumbnail;
  };
  using Entries = std::list<Entry>;  // most recently used first

  bool Find(const std::pair<std::string, int>& key, std::string& thumbnail);
  void Remember(std::pair<std::string, int> key, const std::string& thumbnail);
  static size_t BytesOf(const Entry& entry);

  const ThumbnailMakerOptions options_;
  const Clock& clock_;
  Counter& made_;
  Counter& cached_;
  Counter& unreadable_;
  Histogram& duration_;
  Gauge& cache_bytes_;

  absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::pair<std::string, int>, Entries::iterator> positions_
      ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Mutex decode_mutex_;
  int decodes_ ABSL_GUARDED_BY(decode_mutex_) = 0;
};

}  // namespace diptych::storage
