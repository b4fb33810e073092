#include "storage/service/vector_arithmetic.h"

#include <cmath>
#include <cstddef>

namespace diptych::storage {
namespace {

// a_i * x + b_i * y.
FloatVector Combine(absl::Span<const float> a, double x,
                    absl::Span<const float> b, double y) {
  FloatVector result(a.size());
  for (size_t i = 0; i < a.size(); ++i)
    result[i] = static_cast<float>(a[i] * x + b[i] * y);
  return result;
}

FloatVector Rounded(absl::Span<const double> sum, double divisor) {
  FloatVector result(sum.size());
  for (size_t i = 0; i < sum.size(); ++i)
    result[i] = static_cast<float>(sum[i] / divisor);
  return result;
}

}  // namespace

FloatVector MeanOf(absl::Span<const FloatVector> vectors) {
  std::vector<double> sum(vectors.front().size());
  for (const FloatVector& vector : vectors) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += vector[i];
  }
  return Rounded(sum, static_cast<double>(vectors.size()));
}

FloatVector MoveTo(absl::Span<const float> vector,
                   absl::Span<const float> target, double force) {
  return Combine(vector, 1 - force / 2, target, force / 2);
}

FloatVector MoveAway(absl::Span<const float> vector,
                     absl::Span<const float> target, double force) {
  return Combine(vector, 1 + force / 2, target, -force / 2);
}

double LengthOf(absl::Span<const float> vector) {
  double square = 0;
  for (const float value : vector) square += double{value} * value;
  return std::sqrt(square);
}

FloatVector UnitVectorOf(absl::Span<const float> vector) {
  const double length = LengthOf(vector);
  FloatVector result(vector.size());
  for (size_t i = 0; i < vector.size(); ++i)
    result[i] = static_cast<float>(vector[i] / length);
  return result;
}

FloatVector WeightedMix(absl::Span<const FloatVector> vectors,
                        absl::Span<const double> weights) {
  std::vector<double> sum(vectors.front().size());
  double weight_sum = 0;
  for (const double weight : weights) weight_sum += std::abs(weight);
  for (size_t term = 0; term < vectors.size(); ++term) {
    const double scale = weights[term] / LengthOf(vectors[term]);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += vectors[term][i] * scale;
  }
  return Rounded(sum, weight_sum);
}

FloatVector RecommendationVector(absl::Span<const FloatVector> positives,
                                 absl::Span<const FloatVector> negatives) {
  FloatVector positive = MeanOf(positives);
  if (negatives.empty()) return positive;
  return Combine(positive, 2, MeanOf(negatives), -1);
}

}  // namespace diptych::storage
