#include "tests/model_based/model_vectors.h"

#include <cmath>
#include <cstddef>

#include "storage/engine/fake_vectorizer.h"

namespace diptych::storage {

double ModelDistance(v1::Metric metric, const Numbers& a, const Numbers& b) {
  double dot = 0, square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    square += (a[i] - b[i]) * (a[i] - b[i]);
  }
  switch (metric) {
    case v1::METRIC_SQUARED_L2:
      return square;
    case v1::METRIC_INNER_PRODUCT:
      return 1 - dot;
    default:
      return 1 - dot / (Length(a) * Length(b));
  }
}

Numbers Scaled(const Numbers& vector, double factor) {
  Numbers result = vector;
  for (double& number : result) number *= factor;
  return result;
}

Numbers Sum(const Numbers& a, const Numbers& b) {
  Numbers result = a;
  for (size_t i = 0; i < result.size(); ++i) result[i] += b[i];
  return result;
}

double Length(const Numbers& vector) {
  double square = 0;
  for (const double number : vector) square += number * number;
  return std::sqrt(square);
}

Numbers Mean(const std::vector<Numbers>& vectors) {
  Numbers sum(vectors.front().size());
  for (const Numbers& vector : vectors) sum = Sum(sum, vector);
  return Scaled(sum, 1.0 / static_cast<double>(vectors.size()));
}

Numbers VectorOfInput(const std::string& bytes) {
  const std::vector<float> vector =
      FakeVectorizer::VectorOf(bytes, kModelDimension);
  return Numbers(vector.begin(), vector.end());
}

}  // namespace diptych::storage
