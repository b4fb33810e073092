#include "inference/torch/transformer.h"

#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

// quick_gelu(x) = x sigmoid(1.702 x) = silu(1.702 x) / 1.702: the factor goes
// into the products before and behind, and silu is one fused operator.
constexpr double kQuickGeluFactor = 1.702;

struct Product {
  at::Tensor weight;
  at::Tensor bias;
};

absl::StatusOr<Product> LoadProduct(const TensorSource& source,
                                    const std::string& name, int64_t out,
                                    int64_t in, const Placement& placement) {
  Product product;
  DIPTYCH_ASSIGN_OR_RETURN(
      product.weight,
      LoadTensor(source, absl::StrCat(name, "weight"), {out, in}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      product.bias,
      LoadTensor(source, absl::StrCat(name, "bias"), {out}, placement));
  return product;
}

// The floats of a contiguous tensor on the CPU; none of an undefined one.
absl::Span<const float> Values(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return absl::MakeConstSpan(tensor.data_ptr<float>(), tensor.numel());
}

// The row of every sequence that is asked for.
at::Tensor OutputIndices(const std::vector<SequenceGroup>& groups,
                         OutputRows output, at::Device device) {
  std::vector<int64_t> indices;
  int64_t begin = 0;
  for (const SequenceGroup& group : groups) {
    for (int64_t i = 0; i < group.count; ++i, begin += group.length) {
      indices.push_back(
          output == OutputRows::kFirst ? begin : begin + group.length - 1);
    }
  }
  return at::tensor(indices, at::kLong).to(device);
}

}  // namespace

at::ScalarType Placement::type() const {
  if (kernels.has_value()) return at::kFloat;
  switch (precision) {
    case Precision::kFloat16:
      return at::kHalf;
    case Precision::kBfloat16:
      return at::kBFloat16;
    case Precision::kFloat32:
    case Precision::kInt8:
      break;
  }
  return at::kFloat;
}

Placement Placement::NearResult() const {
  Placement result = *this;
  if (precision == Precision::kInt8) result.precision = Precision::kFloat32;
  return result;
}

absl::StatusOr<at::Tensor> LoadTensor(const TensorSource& source,
                                      const std::string& name,
                                      std::vector<int64_t> shape,
                                      const Placement& placement) {
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<float> values,
                           source.ReadFloats(name, shape));
  // The tensor keeps the values, rather than a copy of them.
  const auto owner = std::make_shared<std::vector<float>>(std::move(values));
  return at::from_blob(
             owner->data(), shape, [owner](void*) {}, at::kFloat)
      .to(placement.device, placement.type());
}

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias,
               const Placement& placement)
    : threads_(placement.threads) {
  if (!placement.kernels.has_value()) {
    weight_ = weight;
    bias_ = bias;
    return;
  }
  packed_.emplace(Values(weight.contiguous()), Values(bias), weight.size(0),
                  weight.size(1), placement.precision, *placement.kernels);
}

at::Tensor Linear::operator()(const at::Tensor& rows) const {
  if (!packed_.has_value()) return at::linear(rows, weight_, bias_);
  const at::Tensor in = rows.contiguous();
  at::Tensor out = at::empty({in.size(0), packed_->out()}, in.options());
  packed_->Run({in.data_ptr<float>(), packed_->in(), in.size(0)},
               {out.data_ptr<float>(), packed_->out()}, Activation::kNone,
               /*accumulate=*/false, *threads_);
  return out;
}

absl::StatusOr<LayerNorm> LayerNorm::Load(const TensorSource& source,
                                          const std::string& name, int64_t size,
                                          double epsilon,
                                          const Placement& placement) {
  LayerNorm norm;
  norm.epsilon = epsilon;
  DIPTYCH_ASSIGN_OR_RETURN(
      norm.weight,
      LoadTensor(source, absl::StrCat(name, "weight"), {size}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      norm.bias,
      LoadTensor(source, absl::StrCat(name, "bias"), {size}, placement));
  return norm;
}

at::Tensor LayerNorm::operator()(const at::Tensor& rows) const {
  return at::layer_norm(rows, {weight.size(0)}, weight, bias, epsilon);
}

at::Tensor Activate(at::Tensor rows, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return rows;
    case Activation::kQuickGelu:
      return rows * at::sigmoid(kQuickGeluFactor * rows);
    case Activation::kGelu:
      return at::gelu(rows);
    case Activation::kGeluTanh:
      return at::gelu(rows, "tanh");
    case Activation::kTanh:
      return at::tanh(rows);
  }
  return rows;
}

absl::StatusOr<Mlp> Mlp::Load(const TensorSource& source,
                              const std::string& in_name,
                              const std::string& out_name,
                              const TransformerConfig& config,
                              const Placement& placement) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  DIPTYCH_ASSIGN_OR_RETURN(
      Product in, LoadProduct(source, in_name, inner, hidden, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      Product out, LoadProduct(source, out_name, hidden, inner, placement));
  const bool kernels = placement.kernels.has_value();
  if (config.activation == Activation::kQuickGelu && !kernels) {
    in.weight *= kQuickGeluFactor;
    in.bias *= kQuickGeluFactor;
    out.weight /= kQuickGeluFactor;
  }
  Mlp mlp;
  mlp.activation_ = config.activation;
  mlp.kernels_ = kernels;
  mlp.in_ = Linear(in.weight, in.bias, placement);
  mlp.out_ = Linear(out.weight, out.bias, placement);
  return mlp;
}

at::Tensor Mlp::operator()(const at::Tensor& rows) const {
  at::Tensor inner = in_(rows);
  if (activation_ == Activation::kQuickGelu && !kernels_) {
    at::silu_(inner);
  } else {
    inner = Activate(std::move(inner), activation_);
  }
  return out_(inner);
}

absl::StatusOr<QueryKeyValue> QueryKeyValue::Load(
    const TensorSource& source, const std::vector<std::string>& names,
    const TransformerConfig& config, const Placement& placement) {
  const int64_t hidden = config.hidden_size;
  QueryKeyValue result;
  if (names.size() == 1) {
    DIPTYCH_ASSIGN_OR_RETURN(
        const Product all,
        LoadProduct(source, names[0], 3 * hidden, hidden, placement));
    result.weights = all.weight.split(hidden);
    result.biases = all.bias.split(hidden);
  } else {
    for (const std::string& name : names) {
      DIPTYCH_ASSIGN_OR_RETURN(
          Product part, LoadProduct(source, name, hidden, hidden, placement));
      result.weights.push_back(std::move(part.weight));
      result.biases.push_back(std::move(part.bias));
    }
  }
  const double scale =
      1 / std::sqrt(static_cast<double>(hidden / config.heads));
  result.weights[0] = result.weights[0] * scale;
  result.biases[0] = result.biases[0] * scale;
  return result;
}

Linear QueryKeyValue::All(const Placement& placement) const {
  return Linear(at::cat(weights), at::cat(biases), placement);
}

Linear QueryKeyValue::KeyValue(const Placement& placement) const {
  return Linear(at::cat({weights[1], weights[2]}),
                at::cat({biases[1], biases[2]}), placement);
}

at::Tensor Attend(const at::Tensor& queries, const at::Tensor& keys,
                  const at::Tensor& values, int64_t count, int64_t heads,
                  bool causal) {
  const int64_t hidden = queries.size(1);
  const int64_t head_size = hidden / heads;
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
      .reshape({-1, hidden});
}

absl::StatusOr<Transformer> Transformer::Load(const TensorSource& source,
                                              const TransformerConfig& config,
                                              bool causal, OutputRows output,
                                              const Placement& placement) {
  Transformer transformer;
  transformer.config_ = config;
  transformer.causal_ = causal;
  transformer.output_ = output;
  transformer.threads_ = placement.threads;
  std::vector<PackedLayer> packed;
  for (int i = 0; i < config.layers; ++i) {
    const bool reduced = i + 1 == config.layers && output != OutputRows::kAll;
    DIPTYCH_ASSIGN_OR_RETURN(Layer layer,
                             LoadLayer(source, config, i, reduced, placement));
    if (placement.kernels.has_value()) {
      packed.push_back(Pack(std::move(layer)));
    } else {
      transformer.layers_.push_back(std::move(layer));
    }
  }
  if (placement.kernels.has_value()) {
    transformer.packed_.emplace(
        PackedTransformerOptions{.hidden_size = config.hidden_size,
                                 .heads = config.heads,
                                 .activation = config.activation,
                                 .norm_first = config.norm_first,
                                 .causal = causal,
                                 .output = output,
                                 .level = *placement.kernels},
        std::move(packed));
  }
  return transformer;
}

PackedLayer Transformer::Pack(Layer layer) {
  const auto pack = [](Linear& linear) {
    return linear.has_packed() ? linear.TakePacked() : PackedLinear();
  };
  const auto norm = [](const LayerNorm& values) {
    const absl::Span<const float> weight = Values(values.weight);
    const absl::Span<const float> bias = Values(values.bias);
    return NormWeights{{weight.begin(), weight.end()},
                       {bias.begin(), bias.end()},
                       static_cast<float>(values.epsilon)};
  };
  return {norm(layer.attention_norm), pack(layer.query_key_value),
          pack(layer.query),          pack(layer.key_value),
          pack(layer.attention_out),  norm(layer.mlp_norm),
          pack(layer.mlp.in()),       pack(layer.mlp.out())};
}

at::Tensor Transformer::RunPacked(
    const at::Tensor& rows, const std::vector<SequenceGroup>& groups) const {
  std::vector<int64_t> lengths;
  for (const SequenceGroup& group : groups) {
    lengths.insert(lengths.end(), group.count, group.length);
  }
  const at::Tensor values = rows.contiguous();
  const int64_t results = output_ == OutputRows::kAll
                              ? values.size(0)
                              : static_cast<int64_t>(lengths.size());
  at::Tensor result = at::empty({results, values.size(1)}, values.options());
  packed_->Run(absl::MakeSpan(values.data_ptr<float>(), values.numel()),
               lengths, *threads_,
               absl::MakeSpan(result.data_ptr<float>(), result.numel()));
  return result;
}

absl::StatusOr<Transformer::Layer> Transformer::LoadLayer(
    const TensorSource& source, const TransformerConfig& config, int number,
    bool reduced, const Placement& placement) {
  const LayerTensors& tensors = config.tensors;
  const int64_t hidden = config.hidden_size;
  const double epsilon = config.layer_norm_epsilon;
  const auto name = [&](const std::string& part) {
    return absl::StrCat(tensors.prefix, number, ".", part);
  };
  std::vector<std::string> names;
  for (const std::string& part : tensors.query_key_value) {
    names.push_back(name(part));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      const QueryKeyValue attention,
      QueryKeyValue::Load(source, names, config, placement));
  DIPTYCH_ASSIGN_OR_RETURN(const Product out,
                           LoadProduct(source, name(tensors.attention_out),
                                       hidden, hidden, placement));
  Layer layer;
  DIPTYCH_ASSIGN_OR_RETURN(layer.attention_norm,
                           LayerNorm::Load(source, name(tensors.attention_norm),
                                           hidden, epsilon, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      layer.mlp_norm, LayerNorm::Load(source, name(tensors.mlp_norm), hidden,
                                      epsilon, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      layer.mlp, Mlp::Load(source, name(tensors.mlp_in), name(tensors.mlp_out),
                           config, placement));
  if (reduced) {
    layer.query = Linear(attention.weights[0], attention.biases[0], placement);
    layer.key_value = attention.KeyValue(placement);
  } else {
    layer.query_key_value = attention.All(placement);
  }
  layer.attention_out = Linear(out.weight, out.bias, placement);
  return layer;
}

at::Tensor Transformer::Run(at::Tensor rows,
                            const std::vector<SequenceGroup>& groups) const {
  if (packed_.has_value()) return RunPacked(rows, groups);
  const int64_t hidden = config_.hidden_size;
  const at::Tensor asked_rows =
      output_ == OutputRows::kAll
          ? at::Tensor()
          : OutputIndices(groups, output_, rows.device());
  for (const Layer& layer : layers_) {
    const bool reduced =
        &layer == &layers_.back() && output_ != OutputRows::kAll;
    const at::Tensor normed =
        config_.norm_first ? layer.attention_norm(rows) : rows;
    at::Tensor queries, keys, values;
    if (reduced) {
      const at::Tensor projected = layer.key_value(normed);
      keys = projected.narrow(1, 0, hidden);
      values = projected.narrow(1, hidden, hidden);
      queries = layer.query(normed.index_select(0, asked_rows));
      rows = rows.index_select(0, asked_rows);
    } else {
      const at::Tensor projected = layer.query_key_value(normed);
      queries = projected.narrow(1, 0, hidden);
      keys = projected.narrow(1, hidden, hidden);
      values = projected.narrow(1, 2 * hidden, hidden);
    }
    // A last row may look at all rows before it, so at all: no mask.
    const bool causal = causal_ && !reduced;
    std::vector<at::Tensor> attended;
    int64_t begin = 0;
    int64_t asked_begin = 0;
    for (const SequenceGroup& group : groups) {
      const int64_t count = group.count * group.length;
      const int64_t asked = reduced ? group.count : count;
      attended.push_back(Attend(
          queries.narrow(0, asked_begin, asked), keys.narrow(0, begin, count),
          values.narrow(0, begin, count), group.count, config_.heads, causal));
      begin += count;
      asked_begin += asked;
    }
    rows = rows + layer.attention_out(attended.size() == 1 ? attended[0]
                                                           : at::cat(attended));
    if (config_.norm_first) {
      rows = rows + layer.mlp(layer.mlp_norm(rows));
    } else {
      rows = layer.attention_norm(rows);
      rows = layer.mlp_norm(rows + layer.mlp(rows));
    }
  }
  return rows;
}

}  // namespace diptych::inference
