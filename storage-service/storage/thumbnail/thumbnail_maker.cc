#include "storage/thumbnail/thumbnail_maker.h"

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

constexpr MetricDescription kThumbnails = {
    "diptych_thumbnails_total",
    "Thumbnails that were asked for, by where they came from"};
constexpr MetricDescription kDuration = {"diptych_thumbnail_seconds",
                                         "How long it took to make one"};
constexpr MetricDescription kCacheBytes = {"diptych_thumbnail_cache_bytes",
                                           "Thumbnails that are remembered"};
// Of an entry, beside the thumbnail: key, list and table, about.
constexpr size_t kEntryBytes = 200;

}  // namespace

ThumbnailMaker::ThumbnailMaker(const ThumbnailMakerOptions& options,
                               const Clock& clock, MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      made_(metrics.AddCounter(kThumbnails, {{"result", "made"}})),
      cached_(metrics.AddCounter(kThumbnails, {{"result", "cached"}})),
      unreadable_(metrics.AddCounter(kThumbnails, {{"result", "unreadable"}})),
      duration_(metrics.AddHistogram(kDuration, DurationBuckets())),
      cache_bytes_(metrics.AddGauge(kCacheBytes)) {}

absl::StatusOr<std::string> ThumbnailMaker::Make(
    absl::string_view content_sha256, int pixels,
    absl::FunctionRef<absl::StatusOr<std::string>()> read) {
  std::pair<std::string, int> key(content_sha256, pixels);
  std::string thumbnail;
  if (Find(key, thumbnail)) {
    cached_.Increment();
    return thumbnail;
  }
  {
    absl::MutexLock lock(&decode_mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(decode_mutex_) {
      return decodes_ < options_.decodes_max;
    };
    decode_mutex_.Await(absl::Condition(&free));
    ++decodes_;
  }
  const absl::Cleanup end = [this] {
    absl::MutexLock lock(&decode_mutex_);
    --decodes_;
  };
  DIPTYCH_ASSIGN_OR_RETURN(const std::string image, read());
  const absl::Time begin = clock_.Now();
  auto made = MakeThumbnail(image, pixels, options_.limits);
  duration_.Observe(absl::ToDoubleSeconds(clock_.Now() - begin));
  if (made.ok()) {
    thumbnail = *std::move(made);
    made_.Increment();
  } else {
    unreadable_.Increment();
  }
  Remember(std::move(key), thumbnail);
  return thumbnail;
}

bool ThumbnailMaker::Find(const std::pair<std::string, int>& key,
                          std::string& thumbnail) {
  absl::MutexLock lock(&mutex_);
  const auto found = positions_.find(key);
  if (found == positions_.end()) return false;
  entries_.splice(entries_.begin(), entries_, found->second);
  thumbnail = found->second->thumbnail;
  return true;
}

void ThumbnailMaker::Remember(std::pair<std::string, int> key,
                              const std::string& thumbnail) {
  absl::MutexLock lock(&mutex_);
  // Another call may have made the same meanwhile.
  if (positions_.contains(key)) return;
  entries_.push_front({key, thumbnail});
  positions_.emplace(std::move(key), entries_.begin());
  bytes_ += BytesOf(entries_.front());
  while (bytes_ > options_.cache_bytes_max) {
    bytes_ -= BytesOf(entries_.back());
    positions_.erase(entries_.back().key);
    entries_.pop_back();
  }
  cache_bytes_.Set(static_cast<double>(bytes_));
}

size_t ThumbnailMaker::BytesOf(const Entry& entry) {
  return entry.thumbnail.size() + kEntryBytes;
}

}  // namespace diptych::storage
