// Distances between vectors, in full precision, and what they mean for people.
//
// Concurrency: pure functions.
#pragma once

#include "absl/types/span.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// The distance of `metric` as defined at Metric. Sizes must be equal.
// Accumulates in double, so every engine yields the same number. A zero vector
// has cosine distance 1 to everything.
double Distance(Metric metric, absl::Span<const float> a,
                absl::Span<const float> b);

// Distances of many vectors from one: To(b) is Distance(metric, query, b), to
// the last bit. Refers to `query`.
class DistanceFrom {
 public:
  DistanceFrom(Metric metric, absl::Span<const float> query);
  double To(absl::Span<const float> vector) const;

 private:
  Metric metric_;
  absl::Span<const float> query_;
  double squared_norm_ = 0;  // under cosine
};

// Weaviate's certainty, defined for cosine only: 1 - distance / 2, in [0, 1].
inline double CertaintyOfCosineDistance(double distance) {
  return 1.0 - distance / 2.0;
}
inline double CosineDistanceOfCertainty(double certainty) {
  return (1.0 - certainty) * 2.0;
}

}  // namespace diptych::storage
