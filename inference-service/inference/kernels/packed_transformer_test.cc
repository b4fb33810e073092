// The layers of a transformer against plain loops, and what batches and threads
// may not change.
#include "inference/kernels/packed_transformer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "inference/kernels/image_patches.h"
#include "inference/kernels/test_values.h"

namespace diptych::inference {
namespace {

constexpr int64_t kHidden = 48;
constexpr int64_t kHeads = 3;
constexpr int64_t kInner = 100;
constexpr int kLayers = 2;

struct Weights {
  std::vector<float> weight, bias;
};
struct PlainLayer {
  NormWeights attention_norm, mlp_norm;
  Weights query_key_value, attention_out, mlp_in, mlp_out;
};

Weights RandomWeights(int64_t out, int64_t in, unsigned seed) {
  return {RandomValues(out * in, seed, 0.15f),
          RandomValues(out, seed + 1, 0.1f)};
}

NormWeights RandomNorm(unsigned seed) {
  NormWeights norm{RandomValues(kHidden, seed, 0.2f),
                   RandomValues(kHidden, seed + 1, 0.2f), 1e-5f};
  for (float& weight : norm.weight) weight += 1;
  return norm;
}

std::vector<PlainLayer> PlainLayers() {
  std::vector<PlainLayer> layers;
  for (unsigned i = 0; i < kLayers; ++i) {
    const unsigned seed = 100 * i;
    layers.push_back({RandomNorm(seed + 10), RandomNorm(seed + 20),
                      RandomWeights(3 * kHidden, kHidden, seed + 30),
                      RandomWeights(kHidden, kHidden, seed + 40),
                      RandomWeights(kInner, kHidden, seed + 50),
                      RandomWeights(kHidden, kInner, seed + 60)});
  }
  return layers;
}

PackedTransformer Pack(const PackedTransformerOptions& options,
                       Precision precision) {
  std::vector<PackedLayer> packed;
  for (const PlainLayer& layer : PlainLayers()) {
    const auto linear = [&](absl::Span<const float> weight,
                            absl::Span<const float> bias, int64_t in) {
      return PackedLinear(weight, bias, static_cast<int64_t>(bias.size()), in,
                          precision, options.level);
    };
    const auto all = absl::MakeConstSpan(layer.query_key_value.weight);
    const auto bias = absl::MakeConstSpan(layer.query_key_value.bias);
    packed.push_back(
        {layer.attention_norm, linear(all, bias, kHidden),
         linear(all.subspan(0, kHidden * kHidden), bias.subspan(0, kHidden),
                kHidden),
         linear(all.subspan(kHidden * kHidden), bias.subspan(kHidden), kHidden),
         linear(layer.attention_out.weight, layer.attention_out.bias, kHidden),
         layer.mlp_norm,
         linear(layer.mlp_in.weight, layer.mlp_in.bias, kHidden),
         linear(layer.mlp_out.weight, layer.mlp_out.bias, kInner)});
  }
  return PackedTransformer(options, std::move(packed));
}

using Row = std::vector<double>;

Row Multiply(const Row& row, const Weights& weights) {
  Row result(weights.bias.begin(), weights.bias.end());
  for (size_t i = 0; i < result.size(); ++i) {
    for (size_t j = 0; j < row.size(); ++j) {
      result[i] += row[j] * weights.weight[i * row.size() + j];
    }
  }
  return result;
}

Row Normalize(const Row& row, const NormWeights& norm) {
  double mean = 0, variance = 0;
  for (const double value : row) mean += value / kHidden;
  for (const double value : row) {
    variance += (value - mean) * (value - mean) / kHidden;
  }
  Row result(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    result[i] = (row[i] - mean) / std::sqrt(variance + 1e-5) * norm.weight[i] +
                norm.bias[i];
  }
  return result;
}

// One sequence through all layers.
std::vector<Row> PlainRun(std::vector<Row> rows,
                          const PackedTransformerOptions& options) {
  constexpr int64_t kHead = kHidden / kHeads;
  for (const PlainLayer& layer : PlainLayers()) {
    std::vector<Row> projected;
    for (const Row& row : rows) {
      projected.push_back(Multiply(
          options.norm_first ? Normalize(row, layer.attention_norm) : row,
          layer.query_key_value));
    }
    for (size_t query = 0; query < rows.size(); ++query) {
      const size_t seen = options.causal ? query + 1 : rows.size();
      Row attended(kHidden);
      for (int64_t head = 0; head < kHeads; ++head) {
        Row weights(seen);
        double sum = 0;
        for (size_t key = 0; key < seen; ++key) {
          double score = 0;
          for (int64_t i = head * kHead; i < (head + 1) * kHead; ++i) {
            score += projected[query][i] * projected[key][kHidden + i];
          }
          sum += weights[key] = std::exp(score);
        }
        for (int64_t i = head * kHead; i < (head + 1) * kHead; ++i) {
          for (size_t key = 0; key < seen; ++key) {
            attended[i] += weights[key] / sum * projected[key][2 * kHidden + i];
          }
        }
      }
      const Row out = Multiply(attended, layer.attention_out);
      for (int64_t i = 0; i < kHidden; ++i) rows[query][i] += out[i];
    }
    for (Row& row : rows) {
      if (!options.norm_first) row = Normalize(row, layer.attention_norm);
      Row inner =
          Multiply(options.norm_first ? Normalize(row, layer.mlp_norm) : row,
                   layer.mlp_in);
      for (double& value : inner) {
        value = PlainActivation(value, options.activation);
      }
      const Row out = Multiply(inner, layer.mlp_out);
      for (int64_t i = 0; i < kHidden; ++i) row[i] += out[i];
      if (!options.norm_first) row = Normalize(row, layer.mlp_norm);
    }
  }
  return rows;
}

std::vector<float> RunLayers(const PackedTransformer& transformer,
                             std::vector<float> rows,
                             const std::vector<int64_t>& lengths,
                             OutputRows output, const Parallel& parallel) {
  std::vector<float> result(
      output == OutputRows::kAll ? rows.size() : lengths.size() * kHidden);
  transformer.Run(absl::MakeSpan(rows), lengths, parallel,
                  absl::MakeSpan(result));
  return result;
}

const std::vector<int64_t> kLengths = {1, 5, 5, 19};

int64_t Total(const std::vector<int64_t>& lengths) {
  int64_t total = 0;
  for (const int64_t length : lengths) total += length;
  return total;
}

class PackedTransformerTest : public ::testing::TestWithParam<KernelLevel> {
 protected:
  PackedTransformerOptions Options(OutputRows output) const {
    return {.hidden_size = kHidden,
            .heads = kHeads,
            .activation = Activation::kQuickGelu,
            .output = output,
            .level = GetParam()};
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, PackedTransformerTest,
                         ::testing::ValuesIn(AvailableKernelLevels()),
                         LevelName());

TEST_P(PackedTransformerTest, LayersAreThoseOfPlainLoops) {
  const std::vector<float> rows = RandomValues(Total(kLengths) * kHidden, 5);
  struct Variant {
    OutputRows output;
    bool norm_first, causal;
  };
  for (const Variant& variant : {Variant{OutputRows::kAll, true, true},
                                 Variant{OutputRows::kAll, false, false},
                                 Variant{OutputRows::kFirst, true, false},
                                 Variant{OutputRows::kLast, true, true}}) {
    PackedTransformerOptions options = Options(variant.output);
    options.norm_first = variant.norm_first;
    options.causal = variant.causal;
    const std::vector<float> result =
        RunLayers(Pack(options, Precision::kFloat32), rows, kLengths,
                  variant.output, Serial());
    size_t at = 0;
    int64_t begin = 0;
    for (const int64_t length : kLengths) {
      std::vector<Row> sequence;
      for (int64_t i = begin; i < begin + length; ++i) {
        sequence.emplace_back(rows.begin() + i * kHidden,
                              rows.begin() + (i + 1) * kHidden);
      }
      begin += length;
      sequence = PlainRun(std::move(sequence), options);
      if (variant.output == OutputRows::kFirst) sequence.resize(1);
      if (variant.output == OutputRows::kLast) sequence = {sequence.back()};
      for (const Row& row : sequence) {
        for (const double value : row) ASSERT_NEAR(result[at++], value, 5e-5);
      }
    }
    ASSERT_EQ(at, result.size());
  }
}

TEST_P(PackedTransformerTest, SequencesDoNotDependOnTheBatchOrOnThreads) {
  // With 2 threads each takes whole sequences; with 5 they share each product.
  const std::vector<int64_t> lengths = {1, 30, 5, 40, 17};
  const std::vector<float> rows = RandomValues(Total(lengths) * kHidden, 6);
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(GetParam(), precision)) continue;
    const PackedTransformer transformer =
        Pack(Options(OutputRows::kLast), precision);
    const std::vector<float> batch =
        RunLayers(transformer, rows, lengths, OutputRows::kLast, Serial());
    for (const int threads : {2, 5}) {
      EXPECT_EQ(RunLayers(transformer, rows, lengths, OutputRows::kLast,
                          TestThreads(threads)),
                batch)
          << PrecisionName(precision) << " on " << threads << " threads";
    }
    int64_t begin = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      const std::vector<float> sequence(
          rows.begin() + begin * kHidden,
          rows.begin() + (begin + lengths[i]) * kHidden);
      begin += lengths[i];
      const std::vector<float> single = RunLayers(
          transformer, sequence, {lengths[i]}, OutputRows::kLast, Serial());
      EXPECT_TRUE(
          std::equal(single.begin(), single.end(), batch.begin() + i * kHidden))
          << PrecisionName(precision) << " sequence " << i;
    }
  }
}

TEST_P(PackedTransformerTest, LowerPrecisionsStayCloseAndAreSmaller) {
  const std::vector<float> rows = RandomValues(Total(kLengths) * kHidden, 7);
  const PackedTransformer exact =
      Pack(Options(OutputRows::kAll), Precision::kFloat32);
  const std::vector<float> wanted =
      RunLayers(exact, rows, kLengths, OutputRows::kAll, Serial());
  for (const Precision precision : {Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(GetParam(), precision)) continue;
    const PackedTransformer transformer =
        Pack(Options(OutputRows::kAll), precision);
    EXPECT_LT(transformer.bytes(), exact.bytes());
    const std::vector<float> result =
        RunLayers(transformer, rows, kLengths, OutputRows::kAll, Serial());
    double dot = 0, squares = 0, wanted_squares = 0;
    for (size_t i = 0; i < result.size(); ++i) {
      dot += double{result[i]} * wanted[i];
      squares += double{result[i]} * result[i];
      wanted_squares += double{wanted[i]} * wanted[i];
    }
    const double cosine = dot / std::sqrt(squares * wanted_squares);
    EXPECT_GE(cosine, precision == Precision::kInt8 ? 0.9995 : 0.99995);
    EXPECT_NE(result, wanted);
  }
}

TEST_P(PackedTransformerTest, PatchesAreThoseOfAConvolution) {
  constexpr int kSize = 11;
  constexpr int64_t kPatch = 3, kSide = 3, kOut = 5;
  std::vector<Image> images(3, Image(kSize, kSize));
  for (size_t i = 0; i < images.size(); ++i) {
    for (size_t j = 0; j < images[i].pixels().size(); ++j) {
      images[i].data()[j] = static_cast<uint8_t>(j * 37 + i * 11);
    }
  }
  constexpr int64_t kIn = 3 * kPatch * kPatch;
  const std::vector<float> weight = RandomValues(kOut * kIn, 8);
  const PixelScale scale = {{0.01f, 0.02f, 0.03f}, {-1, 0, 1}};
  const PackedLinear product(weight, {}, kOut, kIn, Precision::kFloat32,
                             GetParam());
  for (const int threads : {1, 2, 8}) {
    std::vector<float> result(images.size() * kSide * kSide * kOut);
    EmbedImagePatches({kSize, kPatch, kSide}, scale, product, images,
                      TestThreads(threads), absl::MakeSpan(result));
    size_t at = 0;
    for (const Image& image : images) {
      for (int64_t patch = 0; patch < kSide * kSide; ++patch) {
        for (int64_t out = 0; out < kOut; ++out) {
          double wanted = 0;
          for (int64_t i = 0; i < kIn; ++i) {
            const int64_t channel = i / (kPatch * kPatch);
            const int64_t y = patch / kSide * kPatch + i / kPatch % kPatch;
            const int64_t x = patch % kSide * kPatch + i % kPatch;
            wanted += weight[out * kIn + i] *
                      (scale.factor[channel] *
                           image.row(static_cast<int>(y))[3 * x + channel] +
                       scale.summand[channel]);
          }
          ASSERT_NEAR(result[at++], wanted, 1e-4);
        }
      }
    }
  }
}

}  // namespace
}  // namespace diptych::inference
