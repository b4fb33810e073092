#include "storage/index/distance_function.h"

#include <cmath>
#include <limits>
#include <random>

#include "common/testing/status_matchers.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> RandomVector(std::mt19937& random, size_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& x : vector) x = normal(random);
  return vector;
}

TEST(DistanceFunctionTest, EveryKernelAgreesWithTheExactSumAtEveryLength) {
  std::mt19937 random(1);
  for (const NamedKernels& kernels : AvailableKernels()) {
    for (size_t dimension = 1; dimension <= 200; ++dimension) {
      const std::vector<float> a = RandomVector(random, dimension);
      const std::vector<float> b = RandomVector(random, dimension);
      const double tolerance = 1e-5 * static_cast<double>(dimension);
      EXPECT_NEAR(kernels.dot(a.data(), b.data(), dimension),
                  1.0 - Distance(Metric::kInnerProduct, a, b), tolerance)
          << kernels.name << " " << dimension;
      EXPECT_NEAR(kernels.squared_l2(a.data(), b.data(), dimension),
                  Distance(Metric::kSquaredL2, a, b), tolerance)
          << kernels.name << " " << dimension;
    }
  }
}

TEST(DistanceFunctionTest, PortableKernelIsAlwaysThere) {
  EXPECT_EQ(AvailableKernels().back().name, "portable");
}

TEST(DistanceFunctionTest, MetricsAreThoseOfTheContract) {
  std::mt19937 random(2);
  const std::vector<float> a = RandomVector(random, 33);
  const std::vector<float> b = RandomVector(random, 33);
  for (const Metric metric :
       {Metric::kCosine, Metric::kSquaredL2, Metric::kInnerProduct}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto x, PrepareVector(metric, 33, a));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto y, PrepareVector(metric, 33, b));
    EXPECT_NEAR(DistanceFunction(metric, 33)(x.data(), y.data()),
                Distance(metric, a, b), 1e-4);
  }
}

TEST(DistanceFunctionTest, BatchIsOneByOneWithEveryKernel) {
  std::mt19937 random(4);
  for (const Metric metric :
       {Metric::kCosine, Metric::kSquaredL2, Metric::kInnerProduct}) {
    for (const VectorPrecision precision :
         {VectorPrecision::kFloat32, VectorPrecision::kBfloat16,
          VectorPrecision::kInt8}) {
      for (const size_t dimension : {3, 64, 200, 512}) {
        for (const size_t slower_kernels : {0, 1, 2}) {
          const DistanceFunction distance(metric, dimension, precision,
                                          slower_kernels);
          const size_t bytes = distance.encoding().row_bytes();
          std::vector<std::vector<std::byte>> rows(
              70, std::vector<std::byte>(bytes));
          std::vector<const std::byte*> addresses;
          std::vector<std::vector<float>> vectors;
          for (std::vector<std::byte>& row : rows) {
            DIPTYCH_ASSERT_OK_AND_ASSIGN(
                auto vector, PrepareVector(metric, dimension,
                                           RandomVector(random, dimension)));
            distance.encoding().Encode(vector.data(), row.data());
            addresses.push_back(row.data());
            vectors.push_back(std::move(vector));
          }
          std::vector<float> distances(rows.size());
          distance.Batch(rows[0].data(), addresses.data(), rows.size(),
                         distances.data());
          for (size_t i = 0; i < rows.size(); ++i) {
            EXPECT_EQ(distances[i], distance(rows[0].data(), addresses[i]));
            const double exact = Distance(metric, vectors[0], vectors[i]);
            EXPECT_NEAR(distances[i], exact,
                        distance.ErrorBound(rows[0].data(), addresses[i]) +
                            1e-4 * (1 + std::abs(exact)));
          }
        }
      }
    }
  }
}

TEST(DistanceFunctionTest, CosineOfEqualVectorsIsNeverNegative) {
  std::mt19937 random(3);
  const DistanceFunction distance(Metric::kCosine, 512);
  for (int i = 0; i < 200; ++i) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        const auto x,
        PrepareVector(Metric::kCosine, 512, RandomVector(random, 512)));
    EXPECT_GE(distance(x.data(), x.data()), 0.0f);
    EXPECT_LT(distance(x.data(), x.data()), 1e-5f);
  }
}

TEST(DistanceFunctionTest, HugeProductsDoNotBecomeNaN) {
  const std::vector<float> a = {3e38f, 3e38f}, b = {3e38f, -3e38f};
  const float distance =
      DistanceFunction(Metric::kInnerProduct, 2)(a.data(), b.data());
  EXPECT_FALSE(std::isnan(distance));
}

TEST(PrepareVectorTest, NormalisesUnderCosineOnly) {
  EXPECT_THAT(PrepareVector(Metric::kCosine, 2, {3, 4}),
              IsOkAndHolds(ElementsAre(0.6f, 0.8f)));
  EXPECT_THAT(PrepareVector(Metric::kSquaredL2, 2, {3, 4}),
              IsOkAndHolds(ElementsAre(3, 4)));
  EXPECT_THAT(PrepareVector(Metric::kCosine, 2, {0, 0}),
              IsOkAndHolds(ElementsAre(0, 0)));
  // The square is below what a float holds.
  EXPECT_THAT(PrepareVector(Metric::kCosine, 2, {0, 1e-30f}),
              IsOkAndHolds(ElementsAre(0, 1)));
}

TEST(PrepareVectorTest, RefusesWrongDimensionAndNonFiniteComponents) {
  EXPECT_THAT(PrepareVector(Metric::kCosine, 3, {1, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("its vector space, 3, not 2")));
  EXPECT_THAT(
      PrepareVector(Metric::kCosine, 2,
                    {1, std::numeric_limits<float>::quiet_NaN()}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("component 1")));
  EXPECT_THAT(PrepareVector(Metric::kSquaredL2, 2,
                            {std::numeric_limits<float>::infinity(), 0}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace diptych::storage
