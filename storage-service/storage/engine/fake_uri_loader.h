// A loader for tests: a map from URIs to what lies there.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/status/error_details.h"
#include "storage/engine/uri_loader.h"

namespace diptych::storage {

// Operation: answers what was put there, else kUriNotFound; counts loads.
// Concurrency: as UriLoader.
// Limits: `bytes_max` of each call.
class FakeUriLoader final : public UriLoader {
 public:
  std::vector<absl::StatusOr<std::string>> Load(
      const CallContext&, absl::Span<const std::string> uris,
      size_t bytes_max) override {
    absl::MutexLock lock(&mutex_);
    std::vector<absl::StatusOr<std::string>> results;
    for (const std::string& uri : uris) {
      loaded_.push_back(uri);
      const auto found = contents_.find(uri);
      if (found == contents_.end()) {
        results.push_back(
            WithReason(absl::NotFoundError("names nothing"), kUriNotFound));
        continue;
      }
      results.push_back(found->second);
      if (!results.back().ok()) continue;
      if (results.back()->size() > bytes_max) {
        results.back() = WithReason(
            absl::InvalidArgumentError("is more than the write may load"),
            kUriTooLarge);
      } else {
        bytes_max -= results.back()->size();
      }
    }
    return results;
  }

  void Put(const std::string& uri, absl::StatusOr<std::string> content) {
    absl::MutexLock lock(&mutex_);
    contents_.insert_or_assign(uri, std::move(content));
  }
  // In the order of loading.
  std::vector<std::string> loaded() const {
    absl::MutexLock lock(&mutex_);
    return loaded_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, absl::StatusOr<std::string>> contents_
      ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> loaded_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
