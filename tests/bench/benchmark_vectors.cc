#include "tests/bench/benchmark_vectors.h"

#include <cmath>
#include <random>

namespace diptych {
namespace {

constexpr size_t kClusters = 500;
constexpr size_t kCommonDirections = 24;
constexpr size_t kOwnDirections = 12;
constexpr float kCommonSpread = 0.6f;
constexpr float kOwnSpread = 0.7f;
constexpr float kNoise = 0.15f;

struct Cluster {
  std::vector<float> center;      // along the common directions
  std::vector<float> directions;  // of its own
  float width;
};

class World {
 public:
  explicit World(size_t dimension) : dimension_(dimension) {
    common_ = Directions(kCommonDirections);
    std::vector<double> weights;
    std::uniform_real_distribution<float> widths(0.5f, 1.5f);
    for (size_t i = 0; i < kClusters; ++i) {
      Cluster cluster;
      cluster.directions = Directions(kOwnDirections);
      for (size_t j = 0; j < kCommonDirections; ++j) {
        cluster.center.push_back(normal_(random_));
      }
      cluster.width = widths(random_);
      clusters_.push_back(std::move(cluster));
      weights.push_back(1.0 / std::sqrt(static_cast<double>(i) + 3.0));
    }
    pick_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }

  void Make(std::mt19937_64& random, float* vector) {
    std::normal_distribution<float> normal;
    const Cluster& cluster = clusters_[pick_(random)];
    for (size_t d = 0; d < dimension_; ++d) vector[d] = kNoise * normal(random);
    for (size_t j = 0; j < kCommonDirections; ++j) {
      Add(cluster.center[j] + kCommonSpread * cluster.width * normal(random),
          &common_[j * dimension_], vector);
    }
    for (size_t j = 0; j < kOwnDirections; ++j) {
      Add(kOwnSpread * cluster.width * normal(random),
          &cluster.directions[j * dimension_], vector);
    }
    Normalize(vector);
  }

 private:
  std::vector<float> Directions(size_t count) {
    std::vector<float> directions(count * dimension_);
    for (float& x : directions) x = normal_(random_);
    for (size_t i = 0; i < count; ++i) Normalize(&directions[i * dimension_]);
    return directions;
  }
  void Add(float factor, const float* direction, float* vector) const {
    for (size_t d = 0; d < dimension_; ++d) vector[d] += factor * direction[d];
  }
  void Normalize(float* vector) const {
    float squared_norm = 0;
    for (size_t d = 0; d < dimension_; ++d) {
      squared_norm += vector[d] * vector[d];
    }
    const float factor = 1.0f / std::sqrt(squared_norm);
    for (size_t d = 0; d < dimension_; ++d) vector[d] *= factor;
  }

  const size_t dimension_;
  std::mt19937_64 random_{42};  // the world is the same for every sample
  std::normal_distribution<float> normal_;
  std::vector<float> common_;
  std::vector<Cluster> clusters_;
  std::discrete_distribution<size_t> pick_;
};

}  // namespace

std::vector<float> MakeBenchmarkVectors(size_t count, size_t dimension,
                                        uint64_t sample_seed) {
  World world(dimension);
  std::mt19937_64 random(sample_seed);
  std::vector<float> vectors(count * dimension);
  for (size_t i = 0; i < count; ++i) {
    world.Make(random, &vectors[i * dimension]);
  }
  return vectors;
}

}  // namespace diptych
