// A vectorizer for tests, whose vectors can be foretold.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/engine/vectorizer.h"

namespace diptych::storage {

// Operation: the vector of an input depends on its bytes alone (texts and
// images of equal bytes have equal vectors); it is of length 1. Calls are
// recorded, and can be made to fail.
// Concurrency: as Vectorizer.
// Limits: as Vectorizer, which it checks.
class FakeVectorizer final : public Vectorizer {
 public:
  explicit FakeVectorizer(uint32_t dimension = 8) : dimension_(dimension) {}

  static std::vector<float> VectorOf(absl::string_view bytes,
                                     uint32_t dimension) {
    uint64_t state = 0xcbf29ce484222325;  // FNV-1a
    for (char byte : bytes) {
      state = (state ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
    }
    std::vector<float> vector(dimension);
    double square = 0;
    for (float& value : vector) {
      state = state * 6364136223846793005 + 1442695040888963407;
      value = static_cast<float>(static_cast<int32_t>(state >> 32)) / 2.15e9f;
      square += double{value} * value;
    }
    for (float& value : vector) {
      value = static_cast<float>(value / std::sqrt(square));
    }
    return vector;
  }

  absl::StatusOr<Vectorization> Vectorize(
      const CallContext&, absl::string_view model,
      absl::Span<const VectorizerInput> inputs) override {
    absl::MutexLock lock(&mutex_);
    size_t bytes = 0;
    for (const VectorizerInput& input : inputs) bytes += input.bytes.size();
    if (inputs.size() > kInputsMax ||
        (inputs.size() > 1 && bytes > kBytesMax)) {
      return absl::InternalError("more than the limits of one call");
    }
    call_sizes_.push_back(inputs.size());
    if (!status_.ok()) return status_;
    Vectorization made;
    made.model = model.empty() ? "fake" : std::string(model);
    made.model_fingerprint = fingerprint_;
    for (const VectorizerInput& input : inputs) {
      made.vectors.push_back(VectorOf(input.bytes, dimension_));
    }
    return made;
  }

  void SetStatus(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    status_ = std::move(status);
  }
  void SetFingerprint(std::string fingerprint) {
    absl::MutexLock lock(&mutex_);
    fingerprint_ = std::move(fingerprint);
  }
  // Inputs of each call so far.
  std::vector<size_t> call_sizes() const {
    absl::MutexLock lock(&mutex_);
    return call_sizes_;
  }

 private:
  const uint32_t dimension_;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::string fingerprint_ ABSL_GUARDED_BY(mutex_) = "fake-fingerprint";
  std::vector<size_t> call_sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
