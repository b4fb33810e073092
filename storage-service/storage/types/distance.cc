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

struct Products {
  double ab = 0;
  double bb = 0;
};

// Product(a, b) and Product(b, b), of the same sums, reading b once.
Products ProductsOf(absl::Span<const float> a, absl::Span<const float> b) {
  const float* const x = a.data();
  const float* const y = b.data();
  double ab[kLanes] = {}, bb[kLanes] = {};
  const auto add = [&](size_t i, size_t lane) {
    ab[lane] += double{x[i]} * y[i];
    bb[lane] += double{y[i]} * y[i];
  };
  const size_t whole = a.size() - a.size() % kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (size_t i = whole; i < a.size(); ++i) add(i, i % kLanes);
  Products products;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    products.ab += ab[lane];
    products.bb += bb[lane];
  }
  return products;
}

}  // namespace

DistanceFrom::DistanceFrom(Metric metric, absl::Span<const float> query)
    : metric_(metric), query_(query) {
  if (metric == Metric::kCosine) squared_norm_ = Product(query, query);
}

double DistanceFrom::To(absl::Span<const float> vector) const {
  switch (metric_) {
    case Metric::kSquaredL2: {
      const float* const x = query_.data();
      const float* const y = vector.data();
      return Sum(query_.size(), [x, y](size_t i) {
        const double difference = double{x[i]} - double{y[i]};
        return difference * difference;
      });
    }
    case Metric::kInnerProduct:
      return 1.0 - Product(query_, vector);
    case Metric::kCosine:
      break;
  }
  const Products products = ProductsOf(query_, vector);
  if (squared_norm_ == 0 || products.bb == 0) return 1.0;
  return 1.0 - products.ab / std::sqrt(squared_norm_ * products.bb);
}

double Distance(Metric metric, absl::Span<const float> a,
                absl::Span<const float> b) {
  return DistanceFrom(metric, a).To(b);
}

}  // namespace diptych::storage
