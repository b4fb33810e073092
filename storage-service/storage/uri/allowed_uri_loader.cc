#include "storage/uri/allowed_uri_loader.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"

namespace diptych::storage {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);

constexpr MetricDescription kLoads = {
    "diptych_uri_loads_total",
    "Images that were to be loaded from a URI, by how it ended"};
constexpr MetricDescription kDuration = {"diptych_uri_load_seconds",
                                         "How long it took to load an image"};
constexpr MetricDescription kBytes = {"diptych_uri_loaded_bytes_total",
                                      "Bytes of images loaded from URIs"};

// A label, and so of a fixed set.
const char* SchemeOf(absl::string_view uri) {
  if (absl::StartsWithIgnoreCase(uri, "file://")) return "file";
  if (absl::StartsWithIgnoreCase(uri, "https://")) return "https";
  return "other";
}

absl::Status NotAllowed(absl::string_view message) {
  return WithReason(absl::PermissionDeniedError(message), kUriNotAllowed);
}

}  // namespace

// The URIs of one call, which tasks take one by one.
class AllowedUriLoader::Call {
 public:
  Call(size_t uris, size_t bytes_max)
      : results_(uris, absl::CancelledError("was not loaded")),
        bytes_left_(bytes_max) {}

  // The next URI that nobody has taken; false: there is none.
  bool Take(size_t& position) {
    absl::MutexLock lock(&mutex_);
    if (next_ == results_.size()) return false;
    position = next_++;
    return true;
  }

  void Put(size_t position, absl::StatusOr<std::string> result) {
    absl::MutexLock lock(&mutex_);
    if (result.ok() && result->size() > bytes_left_) {
      result = WithReason(
          absl::InvalidArgumentError(
              "brings more bytes than one write may load; write fewer objects "
              "at a time"),
          kUriTooLarge);
      // The rest cannot be loaded either.
      bytes_left_ = 0;
    } else if (result.ok()) {
      bytes_left_ -= result->size();
    }
    results_[position] = std::move(result);
  }

  bool full() {
    absl::MutexLock lock(&mutex_);
    return bytes_left_ == 0;
  }

  void StartTask() {
    absl::MutexLock lock(&mutex_);
    ++tasks_;
  }
  void EndTask() {
    absl::MutexLock lock(&mutex_);
    --tasks_;
  }

  std::vector<absl::StatusOr<std::string>> AwaitResults() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return tasks_ == 0;
    };
    mutex_.Await(absl::Condition(&ended));
    return std::move(results_);
  }

 private:
  absl::Mutex mutex_;
  std::vector<absl::StatusOr<std::string>> results_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_left_ ABSL_GUARDED_BY(mutex_);
  int tasks_ ABSL_GUARDED_BY(mutex_) = 0;
};

AllowedUriLoader::AllowedUriLoader(std::unique_ptr<FileLoader> files,
                                   std::unique_ptr<HttpsLoader> https,
                                   size_t loads_max, Executor& executor,
                                   const Clock& clock, MetricsRegistry& metrics)
    : files_(std::move(files)),
      https_(std::move(https)),
      loads_max_(loads_max),
      executor_(executor),
      clock_(clock),
      metrics_(metrics) {}

std::vector<absl::StatusOr<std::string>> AllowedUriLoader::Load(
    const CallContext& context, absl::Span<const std::string> uris,
    size_t bytes_max) {
  // Shared with the tasks: one that was begun may still leave when the last
  // result is there.
  auto call = std::make_shared<Call>(uris.size(), bytes_max);
  const auto run = [this, call, &context, uris] {
    for (size_t position; call->Take(position);) {
      if (call->full()) {
        call->Put(position,
                  WithReason(absl::InvalidArgumentError(
                                 "is of a write that loads more bytes than is "
                                 "allowed; write fewer objects at a time"),
                             kUriTooLarge));
        continue;
      }
      call->Put(position, LoadOne(context, uris[position]));
    }
    call->EndTask();
  };
  size_t tasks = 0;
  for (; tasks < std::min(loads_max_, uris.size()); ++tasks) {
    call->StartTask();
    if (executor_.TrySchedule(run)) continue;
    call->EndTask();
    break;
  }
  if (tasks == 0) {
    const absl::Status busy = WithRetryAfter(
        absl::ResourceExhaustedError(
            "waits behind too many other images to be loaded; try again later"),
        kRetryDelay);
    return std::vector<absl::StatusOr<std::string>>(uris.size(), busy);
  }
  return call->AwaitResults();
}

absl::StatusOr<std::string> AllowedUriLoader::LoadOne(
    const CallContext& context, const std::string& uri) {
  const absl::Time begin = clock_.Now();
  if (absl::Status status = context.Check(begin); !status.ok()) return status;
  const MetricLabels scheme = {{"scheme", SchemeOf(uri)}};
  absl::StatusOr<std::string> result = FromItsLoader(context, uri);
  const absl::StatusCode code = result.status().code();
  metrics_
      .AddCounter(kLoads, {{"scheme", SchemeOf(uri)},
                           {"result", absl::StatusCodeToString(code)}})
      .Increment();
  metrics_.AddHistogram(kDuration, DurationBuckets(), scheme)
      .Observe(absl::ToDoubleSeconds(clock_.Now() - begin));
  if (result.ok()) {
    metrics_.AddCounter(kBytes, scheme)
        .Increment(static_cast<double>(result->size()));
  }
  return result;
}

absl::StatusOr<std::string> AllowedUriLoader::FromItsLoader(
    const CallContext& context, const std::string& uri) {
  const absl::string_view scheme = SchemeOf(uri);
  if (scheme == "file" && files_ != nullptr) return files_->Load(uri);
  if (scheme == "https" && https_ != nullptr) return https_->Load(context, uri);
  return NotAllowed(absl::StrCat(
      "has a scheme that the operator does not allow; allowed are: ",
      files_ != nullptr ? "file://" : "",
      files_ != nullptr && https_ != nullptr ? " and " : "",
      https_ != nullptr ? "https://" : ""));
}

}  // namespace diptych::storage
