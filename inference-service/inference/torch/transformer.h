// The parts that towers are made of, on LibTorch: products, normalisations and
// transformers.
//
// Operation: attention and MLP blocks, normalised before or behind, over the
// rows of many sequences at once. Sequences of different lengths are laid one
// after the other without padding, so that a batch costs what its tokens cost;
// only attention looks at one sequence at a time. Where one row of a sequence
// is asked for, the last layer is computed for those rows alone. Errors of
// LibTorch are thrown and caught in tower_encoder.cc.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: the caller bounds the rows of one run.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model/tensor_source.h"
#include "inference/model/tower_config.h"

namespace diptych::inference {

// Tensor `name` as float32 on `device`.
absl::StatusOr<at::Tensor> LoadTensor(const TensorSource& source,
                                      const std::string& name,
                                      std::vector<int64_t> shape,
                                      at::Device device);

// y = x W^T + b. On a CPU the weights are packed once for oneDNN, as those of a
// 1x1 convolution, which is faster than at::linear on OpenBLAS.
class Linear {
 public:
  Linear() = default;
  // `weight` is [out, in]; `bias` is [out], or undefined for none.
  Linear(const at::Tensor& weight, const at::Tensor& bias);

  // [rows, in] to [rows, out].
  at::Tensor operator()(const at::Tensor& rows) const;

 private:
  int64_t out_ = 0;
  at::Tensor weight_;
  at::Tensor bias_;
  // oneDNN's packed weights; none on another device.
  c10::IValue packed_;
};

struct LayerNorm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon = 1e-5;

  // `name` as tower_config.h has it: "...layer_norm1.".
  static absl::StatusOr<LayerNorm> Load(const TensorSource& source,
                                        const std::string& name, int64_t size,
                                        double epsilon, at::Device device);
  at::Tensor operator()(const at::Tensor& rows) const;
};

// out(activation(in(x)))
class Mlp {
 public:
  static absl::StatusOr<Mlp> Load(const TensorSource& source,
                                  const std::string& in_name,
                                  const std::string& out_name,
                                  const TransformerConfig& config,
                                  at::Device device);
  at::Tensor operator()(const at::Tensor& rows) const;

 private:
  Activation activation_ = Activation::kNone;
  Linear in_;
  Linear out_;
};

at::Tensor Activate(at::Tensor rows, Activation activation);

// The weights and biases of queries, keys and values, [3][out, in] and
// [3][out].
struct QueryKeyValue {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;

  // From one tensor that has the rows of all three, or from three. Queries are
  // scaled by head size^-0.5.
  static absl::StatusOr<QueryKeyValue> Load(
      const TensorSource& source, const std::vector<std::string>& names,
      const TransformerConfig& config, at::Device device);
  // One product for the three, or for keys and values.
  Linear All() const;
  Linear KeyValue() const;
};

// Attention of `count` sequences of equal length: queries [count * asked,
// hidden], keys and values [count * length, hidden] to [count * asked, hidden].
at::Tensor Attend(const at::Tensor& queries, const at::Tensor& keys,
                  const at::Tensor& values, int64_t count, int64_t heads,
                  bool causal);

// `count` sequences of `length` rows each.
struct SequenceGroup {
  int64_t count = 0;
  int64_t length = 0;
};

// The rows of a sequence that are asked for.
enum class OutputRows { kAll, kFirst, kLast };

class Transformer {
 public:
  static absl::StatusOr<Transformer> Load(const TensorSource& source,
                                          const TransformerConfig& config,
                                          bool causal, OutputRows output,
                                          at::Device device);

  // `rows` is [sum of count * length, hidden size], in the order of `groups`.
  // Returns the rows behind the last layer: as many, or one per sequence.
  at::Tensor Run(at::Tensor rows,
                 const std::vector<SequenceGroup>& groups) const;

 private:
  struct Layer {
    LayerNorm attention_norm;
    // Queries, keys and values in one product; a last layer whose queries are
    // few has them apart.
    Linear query_key_value;
    Linear query;
    Linear key_value;
    Linear attention_out;
    LayerNorm mlp_norm;
    Mlp mlp;
  };

  static absl::StatusOr<Layer> LoadLayer(const TensorSource& source,
                                         const TransformerConfig& config,
                                         int number, bool reduced,
                                         at::Device device);

  TransformerConfig config_;
  bool causal_ = false;
  OutputRows output_ = OutputRows::kAll;
  std::vector<Layer> layers_;
};

}  // namespace diptych::inference
