#include "inference/torch/transformer.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

// quick_gelu(x) = x sigmoid(1.702 x) = silu(1.702 x) / 1.702: the factor goes
// into the products before and behind, and silu is one fused operator.
constexpr double kQuickGeluFactor = 1.702;

struct Projection {
  at::Tensor weight;
  at::Tensor bias;
};

absl::StatusOr<Projection> LoadProjection(const Weights& weights,
                                          const std::string& name, int64_t out,
                                          int64_t in, at::Device device) {
  Projection projection;
  DIPTYCH_ASSIGN_OR_RETURN(
      projection.weight,
      LoadTensor(weights, absl::StrCat(name, ".weight"), {out, in}, device));
  DIPTYCH_ASSIGN_OR_RETURN(
      projection.bias,
      LoadTensor(weights, absl::StrCat(name, ".bias"), {out}, device));
  return projection;
}

// The pooled row of every sequence.
at::Tensor PooledRows(const std::vector<SequenceGroup>& groups, Pooling pooling,
                      at::Device device) {
  std::vector<int64_t> indices;
  int64_t begin = 0;
  for (const SequenceGroup& group : groups) {
    for (int64_t i = 0; i < group.count; ++i, begin += group.length) {
      indices.push_back(pooling == Pooling::kFirst ? begin
                                                   : begin + group.length - 1);
    }
  }
  return at::tensor(indices, at::kLong).to(device);
}

}  // namespace

absl::StatusOr<at::Tensor> LoadTensor(const Weights& weights,
                                      const std::string& name,
                                      std::vector<int64_t> shape,
                                      at::Device device) {
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<float> values,
                           weights.ReadFloats(name, shape));
  return at::from_blob(values.data(), shape, at::kFloat)
      .to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias)
    : out_(weight.size(0)), weight_(weight), bias_(bias) {
  const auto prepack = c10::Dispatcher::singleton().findSchema(
      {"mkldnn_prepacked::conv2d_prepack", ""});
  if (!weight.device().is_cpu() || !at::globalContext().userEnabledMkldnn() ||
      !prepack.has_value()) {
    return;
  }
  const int64_t in = weight.size(1);
  // The size of the input, a hint: any count of rows is accepted later.
  const std::vector<int64_t> input_size = {1, in, 400, 1};
  const std::vector<int64_t> ones = {1, 1};
  const std::vector<int64_t> zeros = {0, 0};
  const c10::optional<at::Tensor> packed_bias =
      bias.defined() ? bias : at::zeros({out_});
  torch::jit::Stack stack{weight.view({out_, in, 1, 1}),
                          packed_bias,
                          ones,
                          zeros,
                          ones,
                          int64_t{1},
                          input_size,
                          std::string("none")};
  prepack->callBoxed(&stack);
  packed_ = stack[0];
  weight_ = at::Tensor();
  bias_ = at::Tensor();
}

at::Tensor Linear::operator()(const at::Tensor& rows) const {
  if (packed_.isNone()) return at::linear(rows, weight_, bias_);
  static const auto run = c10::Dispatcher::singleton().findSchemaOrThrow(
      "mkldnn_prepacked::conv2d_run", "");
  const int64_t count = rows.size(0);
  // [rows, in] in memory is [1, in, 1, rows] in channels-last order.
  torch::jit::Stack stack{
      rows.reshape({1, 1, count, rows.size(1)}).permute({0, 3, 1, 2}), packed_};
  run.callBoxed(&stack);
  return stack[0].toTensor().permute({0, 2, 3, 1}).reshape({count, out_});
}

absl::StatusOr<LayerNorm> LayerNorm::Load(const Weights& weights,
                                          const std::string& name, int64_t size,
                                          double epsilon, at::Device device) {
  LayerNorm norm;
  norm.epsilon = epsilon;
  DIPTYCH_ASSIGN_OR_RETURN(
      norm.weight,
      LoadTensor(weights, absl::StrCat(name, ".weight"), {size}, device));
  DIPTYCH_ASSIGN_OR_RETURN(
      norm.bias,
      LoadTensor(weights, absl::StrCat(name, ".bias"), {size}, device));
  return norm;
}

at::Tensor LayerNorm::operator()(const at::Tensor& rows) const {
  return at::layer_norm(rows, {weight.size(0)}, weight, bias, epsilon);
}

absl::StatusOr<Transformer> Transformer::Load(const Weights& weights,
                                              const std::string& prefix,
                                              const TransformerConfig& config,
                                              Pooling pooling,
                                              at::Device device) {
  Transformer transformer;
  transformer.config_ = config;
  transformer.pooling_ = pooling;
  for (int i = 0; i < config.layers; ++i) {
    DIPTYCH_ASSIGN_OR_RETURN(
        Layer layer, LoadLayer(weights, absl::StrCat(prefix, ".", i, "."),
                               config, i + 1 == config.layers, device));
    transformer.layers_.push_back(std::move(layer));
  }
  return transformer;
}

absl::StatusOr<Transformer::Layer> Transformer::LoadLayer(
    const Weights& weights, const std::string& prefix,
    const TransformerConfig& config, bool last, at::Device device) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const auto attention = [&](const char* name) {
    return LoadProjection(weights,
                          absl::StrCat(prefix, "self_attn.", name, "_proj"),
                          hidden, hidden, device);
  };
  DIPTYCH_ASSIGN_OR_RETURN(Projection query, attention("q"));
  DIPTYCH_ASSIGN_OR_RETURN(const Projection key, attention("k"));
  DIPTYCH_ASSIGN_OR_RETURN(const Projection value, attention("v"));
  DIPTYCH_ASSIGN_OR_RETURN(const Projection out, attention("out"));
  DIPTYCH_ASSIGN_OR_RETURN(
      Projection mlp_in,
      LoadProjection(weights, prefix + "mlp.fc1", inner, hidden, device));
  DIPTYCH_ASSIGN_OR_RETURN(
      Projection mlp_out,
      LoadProjection(weights, prefix + "mlp.fc2", hidden, inner, device));
  const double scale =
      1 / std::sqrt(static_cast<double>(hidden / config.heads));
  query.weight *= scale;
  query.bias *= scale;
  if (config.activation == Activation::kQuickGelu) {
    mlp_in.weight *= kQuickGeluFactor;
    mlp_in.bias *= kQuickGeluFactor;
    mlp_out.weight /= kQuickGeluFactor;
  }

  Layer layer;
  DIPTYCH_ASSIGN_OR_RETURN(
      layer.attention_norm,
      LayerNorm::Load(weights, prefix + "layer_norm1", hidden,
                      config.layer_norm_epsilon, device));
  DIPTYCH_ASSIGN_OR_RETURN(
      layer.mlp_norm, LayerNorm::Load(weights, prefix + "layer_norm2", hidden,
                                      config.layer_norm_epsilon, device));
  if (last) {
    layer.query = Linear(query.weight, query.bias);
    layer.key_value = Linear(at::cat({key.weight, value.weight}),
                             at::cat({key.bias, value.bias}));
  } else {
    layer.query_key_value =
        Linear(at::cat({query.weight, key.weight, value.weight}),
               at::cat({query.bias, key.bias, value.bias}));
  }
  layer.attention_out = Linear(out.weight, out.bias);
  layer.mlp_in = Linear(mlp_in.weight, mlp_in.bias);
  layer.mlp_out = Linear(mlp_out.weight, mlp_out.bias);
  return layer;
}

at::Tensor Transformer::Mlp(const Layer& layer, const at::Tensor& rows) const {
  at::Tensor inner = layer.mlp_in(layer.mlp_norm(rows));
  switch (config_.activation) {
    case Activation::kQuickGelu:
      at::silu_(inner);
      break;
    case Activation::kGelu:
      inner = at::gelu(inner);
      break;
    case Activation::kGeluTanh:
      inner = at::gelu(inner, "tanh");
      break;
  }
  return layer.mlp_out(inner);
}

// Attention of `count` sequences of equal length: queries [count * asked,
// hidden], keys and values [count * length, hidden] to [count * asked, hidden].
at::Tensor Transformer::Attend(const at::Tensor& queries,
                               const at::Tensor& keys, const at::Tensor& values,
                               int64_t count, bool causal) const {
  const int64_t heads = config_.heads;
  const int64_t head_size = config_.hidden_size / heads;
  // To [count * heads, length, head size].
  const auto by_head = [&](const at::Tensor& rows) {
    const int64_t length = rows.size(0) / count;
    return rows.reshape({count, length, heads, head_size})
        .transpose(1, 2)
        .reshape({count * heads, length, head_size});
  };
  at::Tensor scores = at::bmm(by_head(queries), by_head(keys).transpose(1, 2));
  if (causal) {
    const int64_t length = scores.size(-1);
    const at::Tensor later =
        at::ones({length, length}, scores.options().dtype(at::kBool)).triu(1);
    scores.masked_fill_(later, -INFINITY);
  }
  const at::Tensor mixed = at::bmm(at::softmax(scores, -1), by_head(values));
  return mixed.view({count, heads, -1, head_size})
      .transpose(1, 2)
      .reshape({-1, config_.hidden_size});
}

at::Tensor Transformer::Run(at::Tensor rows,
                            const std::vector<SequenceGroup>& groups) const {
  const int64_t hidden = config_.hidden_size;
  const at::Tensor pooled = PooledRows(groups, pooling_, rows.device());
  for (const Layer& layer : layers_) {
    const bool last = &layer == &layers_.back();
    const at::Tensor normed = layer.attention_norm(rows);
    at::Tensor queries, keys, values;
    if (last) {
      const at::Tensor projected = layer.key_value(normed);
      keys = projected.narrow(1, 0, hidden);
      values = projected.narrow(1, hidden, hidden);
      queries = layer.query(normed.index_select(0, pooled));
      rows = rows.index_select(0, pooled);
    } else {
      const at::Tensor projected = layer.query_key_value(normed);
      queries = projected.narrow(1, 0, hidden);
      keys = projected.narrow(1, hidden, hidden);
      values = projected.narrow(1, 2 * hidden, hidden);
    }
    // A pooled last row may look at all rows before it, so at all: no mask.
    const bool causal = pooling_ == Pooling::kLast && !last;
    std::vector<at::Tensor> attended;
    int64_t begin = 0;
    int64_t asked_begin = 0;
    for (const SequenceGroup& group : groups) {
      const int64_t count = group.count * group.length;
      const int64_t asked = last ? group.count : count;
      attended.push_back(Attend(
          queries.narrow(0, asked_begin, asked), keys.narrow(0, begin, count),
          values.narrow(0, begin, count), group.count, causal));
      begin += count;
      asked_begin += asked;
    }
    rows = rows + layer.attention_out(attended.size() == 1 ? attended[0]
                                                           : at::cat(attended));
    rows = rows + Mlp(layer, rows);
  }
  return rows;
}

}  // namespace diptych::inference
