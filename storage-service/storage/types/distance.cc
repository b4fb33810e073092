#include "storage/types/distance.h"

#include <cmath>
#include <cstddef>

namespace diptych::storage {
namespace {

// So many sums run beside each other, for the processor's vector units. Their
// number is part of the result: it must not depend on the processor.
constexpr size_t kLanes = 8;

// sum(term(i)) for i in [0, count).
template <typename Term>
double Sum(size_t count, Term term) {
  double sums[kLanes] = {};
  const size_t whole = count - count % kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += term(i + lane);
  }
  for (size_t i = whole; i < count; ++i) sums[i % kLanes] += term(i);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

double Product(absl::Span<const float> a, absl::Span<const float> b) {
  const float* const x = a.data();
  const float* const y = b.data();
  return Sum(a.size(), [x, y](size_t i) { return double{x[i]} * y[i]; });
}

}  // namespace

double Distance(Metric metric, absl::Span<const float> a,
                absl::Span<const float> b) {
  if (metric == Metric::kSquaredL2) {
    const float* const x = a.data();
    const float* const y = b.data();
    return Sum(a.size(), [x, y](size_t i) {
      const double difference = double{x[i]} - double{y[i]};
      return difference * difference;
    });
  }
  const double dot = Product(a, b);
  if (metric == Metric::kInnerProduct) return 1.0 - dot;
  const double norm_a = Product(a, a), norm_b = Product(b, b);
  if (norm_a == 0 || norm_b == 0) return 1.0;
  return 1.0 - dot / std::sqrt(norm_a * norm_b);
}

}  // namespace diptych::storage
