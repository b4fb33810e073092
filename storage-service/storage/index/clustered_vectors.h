// Test data with the shape of embeddings: clusters of different sizes, each
// with few directions of its own, and a little noise in all.
//
// Operation: seeded; equal arguments make equal vectors. Queries are made like
// rows, with another seed for the sample.
// Concurrency: free functions.
// Limits: for tests and benchmarks.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace diptych::storage {

struct ClusteredVectors {
  std::vector<std::vector<float>> rows;
  std::vector<uint32_t> clusters;  // of each row
};

inline ClusteredVectors MakeClusteredVectors(size_t count, size_t dimension,
                                             uint64_t sample_seed,
                                             size_t cluster_count = 100) {
  constexpr size_t kDirections = 8;
  // The world is the same for every sample.
  std::mt19937_64 world(42);
  std::normal_distribution<float> normal;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dimension));
  const auto direction = [&] {
    std::vector<float> v(dimension);
    for (float& x : v) x = normal(world) * scale;
    return v;
  };
  std::vector<std::vector<float>> centers;
  std::vector<std::vector<float>> directions;
  std::vector<double> weights;
  for (size_t i = 0; i < cluster_count; ++i) {
    centers.push_back(direction());
    weights.push_back(1.0 / std::sqrt(static_cast<double>(i) + 3.0));
    for (size_t j = 0; j < kDirections; ++j) {
      directions.push_back(direction());
    }
  }
  std::mt19937_64 sample(sample_seed);
  std::discrete_distribution<uint32_t> pick(weights.begin(), weights.end());
  ClusteredVectors made;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t cluster = pick(sample);
    std::vector<float> row = centers[cluster];
    for (size_t j = 0; j < kDirections; ++j) {
      const float along = 0.4f * normal(sample);
      const std::vector<float>& by = directions[cluster * kDirections + j];
      for (size_t d = 0; d < dimension; ++d) row[d] += along * by[d];
    }
    for (float& x : row) x += 0.15f * scale * normal(sample);
    made.rows.push_back(std::move(row));
    made.clusters.push_back(cluster);
  }
  return made;
}

}  // namespace diptych::storage
