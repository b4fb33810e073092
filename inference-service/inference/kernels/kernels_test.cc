// Every level that this machine has against plain loops in double.
#include "inference/kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/product_speed.h"
#include "inference/kernels/test_values.h"

namespace diptych::inference {
namespace {

class KernelsTest : public ::testing::TestWithParam<KernelLevel> {
 protected:
  const Kernels& kernels() const { return KernelsOf(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest,
                         ::testing::ValuesIn(AvailableKernelLevels()),
                         LevelName());

struct Sizes {
  int64_t rows, out, in;
};

// Whole and broken tiles, panels, vectors and groups.
constexpr Sizes kSizes[] = {{1, 1, 1},   {2, 33, 5},    {5, 64, 64},
                            {12, 31, 7}, {13, 70, 130}, {25, 16, 257}};

// How far rounding to the precision may move one output of the product.
double Tolerance(Precision precision, const std::vector<float>& weight,
                 const std::vector<float>& rows, const Sizes& sizes,
                 int64_t row, int64_t output) {
  const float* x = rows.data() + row * sizes.in;
  const float* w = weight.data() + output * sizes.in;
  double products = 0, sum_x = 0, sum_w = 0, most_w = 0;
  for (int64_t i = 0; i < sizes.in; ++i) {
    products += std::abs(double{x[i]} * w[i]);
    sum_x += std::abs(x[i]);
    sum_w += std::abs(w[i]);
    most_w = std::max<double>(most_w, std::abs(w[i]));
  }
  const double exact = 1e-5 * (1 + products);
  if (precision == Precision::kFloat32) return exact;
  if (precision == Precision::kBfloat16) return exact + products / 128;
  const double step_x = (*std::max_element(x, x + sizes.in) -
                         *std::min_element(x, x + sizes.in)) /
                        255;
  const double step_w = most_w / 127;
  // Half a step of each value, with the other one as it is or rounded.
  return exact + 0.51 * (step_x * (sum_w + sizes.in * step_w) + step_w * sum_x);
}

TEST_P(KernelsTest, ProductsAreThoseOfPlainLoops) {
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(GetParam(), precision)) continue;
    for (const Sizes& sizes : kSizes) {
      SCOPED_TRACE(::testing::Message()
                   << PrecisionName(precision) << " " << sizes.rows << " x "
                   << sizes.out << " x " << sizes.in);
      const std::vector<float> weight =
          RandomValues(sizes.out * sizes.in, 1, 0.3f);
      const std::vector<float> bias = RandomValues(sizes.out, 2);
      const std::vector<float> rows = RandomValues(sizes.rows * sizes.in, 3);
      const PackedLinear linear(weight, bias, sizes.out, sizes.in, precision,
                                GetParam());
      // Outputs have room behind them, which stays as it is.
      const int64_t stride = sizes.out + 3;
      std::vector<float> first(sizes.rows * stride, 7);
      linear.Run({rows.data(), sizes.in, sizes.rows}, {first.data(), stride},
                 Activation::kNone, false, Serial());
      std::vector<float> added = first;
      linear.Run({rows.data(), sizes.in, sizes.rows}, {added.data(), stride},
                 Activation::kNone, true, Serial());
      for (int64_t row = 0; row < sizes.rows; ++row) {
        for (int64_t output = 0; output < stride; ++output) {
          const int64_t at = row * stride + output;
          if (output >= sizes.out) {
            ASSERT_EQ(first[at], 7);
            ASSERT_EQ(added[at], 7);
            continue;
          }
          double wanted = bias[output];
          for (int64_t i = 0; i < sizes.in; ++i) {
            wanted += double{rows[row * sizes.in + i]} *
                      weight[output * sizes.in + i];
          }
          ASSERT_NEAR(first[at], wanted,
                      Tolerance(precision, weight, rows, sizes, row, output));
          ASSERT_FLOAT_EQ(added[at], 2 * first[at]);
        }
      }
    }
  }
}

TEST_P(KernelsTest, ProductOfARowIsTheSameInEveryBatchAndOnAnyThreads) {
  const Sizes sizes = {29, 70, 101};
  const std::vector<float> weight = RandomValues(sizes.out * sizes.in, 1);
  const std::vector<float> rows = RandomValues(sizes.rows * sizes.in, 3);
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(GetParam(), precision)) continue;
    const PackedLinear linear(weight, {}, sizes.out, sizes.in, precision,
                              GetParam());
    std::vector<float> batch(sizes.rows * sizes.out);
    linear.Run({rows.data(), sizes.in, sizes.rows}, {batch.data(), sizes.out},
               Activation::kGelu, false, TestThreads(3));
    for (int64_t row = 0; row < sizes.rows; ++row) {
      std::vector<float> single(sizes.out);
      linear.Run({rows.data() + row * sizes.in, sizes.in, 1},
                 {single.data(), sizes.out}, Activation::kGelu, false,
                 Serial());
      EXPECT_TRUE(std::equal(single.begin(), single.end(),
                             batch.begin() + row * sizes.out))
          << PrecisionName(precision) << " row " << row;
    }
  }
}

// Threads that no work is worth.
class SleepyThreads final : public Parallel {
 public:
  int threads() const override { return 2; }
  bool IsWorth(int64_t) const override { return false; }
  void For(int64_t, absl::FunctionRef<void(int64_t)>) const override {
    ADD_FAILURE() << "threads were woken";
  }
};

TEST_P(KernelsTest, WorkThatIsNotWorthThreadsIsDoneWithoutThem) {
  const Sizes sizes = {29, 70, 101};
  const std::vector<float> weight = RandomValues(sizes.out * sizes.in, 1);
  const std::vector<float> rows = RandomValues(sizes.rows * sizes.in, 3);
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    const PackedLinear linear(weight, {}, sizes.out, sizes.in, precision,
                              GetParam());
    const auto run = [&](const Parallel& parallel) {
      std::vector<float> result(sizes.rows * sizes.out);
      linear.Run({rows.data(), sizes.in, sizes.rows},
                 {result.data(), sizes.out}, Activation::kNone, false,
                 parallel);
      return result;
    };
    EXPECT_EQ(run(SleepyThreads()), run(Serial()));
  }
}

TEST_P(KernelsTest, ActivationsAreThoseOfTheFormulas) {
  const std::vector<float> identity = {1};
  std::vector<float> values;
  for (float x = -30; x < 30; x += 0.0137f) values.push_back(x);
  const PackedLinear linear(identity, {}, 1, 1, Precision::kFloat32,
                            GetParam());
  const auto count = static_cast<int64_t>(values.size());
  for (const Activation activation :
       {Activation::kNone, Activation::kQuickGelu, Activation::kGelu,
        Activation::kGeluTanh, Activation::kTanh}) {
    std::vector<float> result(values.size());
    linear.Run({values.data(), 1, count}, {result.data(), 1}, activation, false,
               Serial());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(result[i], PlainActivation(values[i], activation),
                  1e-6 * (1 + std::abs(values[i])))
          << "activation " << static_cast<int>(activation) << " of "
          << values[i];
    }
  }
}

TEST_P(KernelsTest, NormalizedRowsHaveMeanAndDeviationOfTheFormula) {
  for (const int64_t width : {3, 16, 67, 768}) {
    std::vector<float> row = RandomValues(width, 1);
    for (float& value : row) value += 5;
    const std::vector<float> weight = RandomValues(width, 2);
    const std::vector<float> bias = RandomValues(width, 3);
    std::vector<float> result(width);
    kernels().normalize_row(row.data(), weight.data(), bias.data(), 1e-5f,
                            width, result.data());
    double mean = 0, variance = 0;
    for (const float value : row) mean += value / static_cast<double>(width);
    for (const float value : row) {
      variance += (value - mean) * (value - mean) / static_cast<double>(width);
    }
    for (int64_t i = 0; i < width; ++i) {
      ASSERT_NEAR(
          result[i],
          (row[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i],
          2e-5);
    }
  }
}

TEST_P(KernelsTest, QuantizedRowIsWithinHalfAStepAndAConstantOneIsExact) {
  for (const int64_t width : {1, 5, 16, 131}) {
    const std::vector<float> row = RandomValues(width, 4);
    std::vector<uint8_t> bytes(width);
    float scale = -1, offset = 0;
    kernels().quantize_row(row.data(), width, bytes.data(), &scale, &offset);
    EXPECT_FLOAT_EQ(offset, *std::min_element(row.begin(), row.end()));
    for (int64_t i = 0; i < width; ++i) {
      ASSERT_NEAR(scale * static_cast<float>(bytes[i]) + offset, row[i],
                  0.501 * scale + 1e-6);
    }
    const std::vector<float> constant(width, -2.5f);
    kernels().quantize_row(constant.data(), width, bytes.data(), &scale,
                           &offset);
    EXPECT_EQ(scale, 0);
    EXPECT_EQ(offset, -2.5f);
    EXPECT_THAT(bytes, ::testing::Each(0));
  }
}

TEST_P(KernelsTest, AttentionIsTheFormula) {
  for (const int64_t head_size : {8, 24, 64, 80}) {
    for (const int64_t length : {1, 3, 33, 77}) {
      for (const bool causal : {false, true}) {
        SCOPED_TRACE(::testing::Message() << "head " << head_size << ", length "
                                          << length << ", causal " << causal);
        const std::vector<float> queries =
            RandomValues(length * head_size, 1, 0.4f);
        const std::vector<float> keys = RandomValues(length * head_size, 2);
        const std::vector<float> values = RandomValues(length * head_size, 3);
        std::vector<float> result(length * head_size);
        std::vector<float> scratch(
            kernels().attention_scratch(length, head_size));
        kernels().attend({.queries = queries.data(),
                          .query_stride = head_size,
                          .query_count = length,
                          .keys = keys.data(),
                          .key_stride = head_size,
                          .values = values.data(),
                          .value_stride = head_size,
                          .length = length,
                          .head_size = head_size,
                          .causal = causal,
                          .out = result.data(),
                          .out_stride = head_size,
                          .scratch = scratch.data()});
        for (int64_t query = 0; query < length; ++query) {
          const int64_t seen = causal ? query + 1 : length;
          std::vector<double> weights(seen);
          double sum = 0;
          for (int64_t key = 0; key < seen; ++key) {
            double score = 0;
            for (int64_t i = 0; i < head_size; ++i) {
              score += double{queries[query * head_size + i]} *
                       keys[key * head_size + i];
            }
            sum += weights[key] = std::exp(score);
          }
          for (int64_t i = 0; i < head_size; ++i) {
            double wanted = 0;
            for (int64_t key = 0; key < seen; ++key) {
              wanted += weights[key] / sum * values[key * head_size + i];
            }
            ASSERT_NEAR(result[query * head_size + i], wanted, 1e-5);
          }
        }
      }
    }
  }
}

TEST(KernelLevelsTest, LevelsAreInOrderAndTheBestIsTheLast) {
  const std::vector<KernelLevel> levels = AvailableKernelLevels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), KernelLevel::kPortable);
  EXPECT_TRUE(std::is_sorted(levels.begin(), levels.end()));
  EXPECT_EQ(levels.back(), BestKernelLevel());
  EXPECT_GT(MeasureProductSpeed(BestKernelLevel(), Precision::kFloat32), 0);
}

}  // namespace
}  // namespace diptych::inference
