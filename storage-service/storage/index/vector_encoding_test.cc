#include "storage/index/vector_encoding.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "common/testing/status_matchers.h"
#include "storage/index/distance_function.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

constexpr VectorPrecision kPrecisions[] = {VectorPrecision::kFloat32,
                                           VectorPrecision::kBfloat16,
                                           VectorPrecision::kInt8};

std::vector<std::byte> Encode(const VectorEncoding& encoding,
                              const std::vector<float>& vector) {
  std::vector<std::byte> row(encoding.row_bytes());
  encoding.Encode(vector.data(), row.data());
  return row;
}

TEST(VectorEncodingTest, RowsAreAsSmallAsPromised) {
  EXPECT_EQ(VectorEncoding(VectorPrecision::kFloat32, 512).row_bytes(), 2048u);
  EXPECT_EQ(VectorEncoding(VectorPrecision::kBfloat16, 512).row_bytes(), 1040u);
  EXPECT_EQ(VectorEncoding(VectorPrecision::kInt8, 512).row_bytes(), 528u);
  EXPECT_EQ(VectorEncoding(VectorPrecision::kInt8, 5).row_bytes(), 24u);
}

// Of every shape: spiky, tiny, huge, of one component, all zero.
std::vector<std::vector<float>> Vectors(size_t dimension) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> vectors;
  for (const float scale : {1.0f, 1e-3f, 1e3f, 1e-12f, 1e12f}) {
    for (int i = 0; i < 4; ++i) {
      std::vector<float> vector(dimension);
      for (float& x : vector) x = scale * normal(random);
      if (i % 2) vector[random() % dimension] *= 50;
      vectors.push_back(std::move(vector));
    }
  }
  vectors.emplace_back(dimension, 0.0f);
  vectors.emplace_back(dimension, 1e-41f);
  vectors.emplace_back(dimension, -0.5f);
  return vectors;
}

TEST(VectorEncodingTest, DistancesAreWithinTheErrorThatIsGiven) {
  for (const VectorPrecision precision : kPrecisions) {
    for (const Metric metric :
         {Metric::kCosine, Metric::kSquaredL2, Metric::kInnerProduct}) {
      for (const size_t dimension : {1, 7, 33, 130}) {
        const DistanceFunction distance(metric, dimension, precision);
        const auto vectors = Vectors(dimension);
        for (const auto& a : vectors) {
          for (const auto& b : vectors) {
            DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto x,
                                         PrepareVector(metric, dimension, a));
            DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto y,
                                         PrepareVector(metric, dimension, b));
            const auto row_a = Encode(distance.encoding(), x);
            const auto row_b = Encode(distance.encoding(), y);
            const float found = distance(row_a.data(), row_b.data());
            const double error =
                distance.ErrorBound(row_a.data(), row_b.data());
            const double exact = Distance(metric, a, b);
            if (precision == VectorPrecision::kFloat32) {
              EXPECT_EQ(error, 0);
              continue;
            }
            EXPECT_FALSE(std::isnan(found));
            EXPECT_LE(std::abs(found - exact), error + 1e-30)
                << static_cast<int>(precision) << " "
                << static_cast<int>(metric) << " " << dimension;
          }
        }
      }
    }
  }
}

TEST(VectorEncodingTest, ErrorsOfEmbeddingsAreSmall) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const auto& [precision, largest] :
       {std::pair{VectorPrecision::kBfloat16, 0.006},
        std::pair{VectorPrecision::kInt8, 0.03}}) {
    const DistanceFunction distance(Metric::kCosine, 512, precision);
    for (int i = 0; i < 50; ++i) {
      std::vector<std::byte> rows[2];
      for (auto& row : rows) {
        std::vector<float> vector(512);
        for (float& x : vector) x = normal(random);
        DIPTYCH_ASSERT_OK_AND_ASSIGN(
            vector, PrepareVector(Metric::kCosine, 512, vector));
        row = Encode(distance.encoding(), vector);
      }
      EXPECT_LT(distance.ErrorBound(rows[0].data(), rows[1].data()), largest);
    }
  }
}

TEST(VectorEncodingTest, NothingIsSureBeyondWhatAFloatHolds) {
  const std::vector<float> huge = {3e38f, -3e38f, 1};
  for (const VectorPrecision precision :
       {VectorPrecision::kBfloat16, VectorPrecision::kInt8}) {
    for (const Metric metric : {Metric::kSquaredL2, Metric::kInnerProduct}) {
      const DistanceFunction distance(metric, 3, precision);
      const auto row = Encode(distance.encoding(), huge);
      EXPECT_FALSE(std::isnan(distance(row.data(), row.data())));
      EXPECT_EQ(distance.ErrorBound(row.data(), row.data()),
                std::numeric_limits<float>::infinity());
    }
  }
}

}  // namespace
}  // namespace diptych::storage
