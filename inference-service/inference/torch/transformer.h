// The parts that towers are made of: products, normalisations and transformers.
//
// Operation: attention and MLP blocks, normalised before or behind, over the
// rows of many sequences at once. Sequences of different lengths are laid one
// after the other without padding, so that a batch costs what its tokens cost;
// only attention looks at one sequence at a time. Where one row of a sequence
// is asked for, the last layer is computed for those rows alone. On a CPU the
// products and the layers are those of inference/kernels, on a device
// LibTorch's. Errors of LibTorch are thrown and caught in tower_encoder.cc.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: the caller bounds the rows of one run.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/packed_transformer.h"
#include "inference/model/tensor_source.h"
#include "inference/model/tower_config.h"
#include "inference/types/precision.h"

namespace diptych::inference {

// Where a tower is computed, and how.
struct Placement {
  at::Device device = at::kCPU;
  Precision precision = Precision::kFloat32;
  // The level of this project's kernels; none for LibTorch's operators, which
  // every device but the CPU takes.
  std::optional<KernelLevel> kernels = {};
  // Of the kernels; outlives what is loaded.
  const Parallel* threads = nullptr;

  // Of tensors: that of the precision with LibTorch's operators. Kernels round
  // for themselves, and everything else is float32 with them.
  at::ScalarType type() const;
  // For products that are few and near the result: the last ones stay float32
  // where the kernels would take integers.
  Placement NearResult() const;
};

// Tensor `name`.
absl::StatusOr<at::Tensor> LoadTensor(const TensorSource& source,
                                      const std::string& name,
                                      std::vector<int64_t> shape,
                                      const Placement& placement);

// y = x W^T + b.
class Linear {
 public:
  Linear() = default;
  // `weight` is [out, in]; `bias` is [out], or undefined for none.
  Linear(const at::Tensor& weight, const at::Tensor& bias,
         const Placement& placement);

  // [rows, in] to [rows, out].
  at::Tensor operator()(const at::Tensor& rows) const;

  // Made with kernels.
  bool has_packed() const { return packed_.has_value(); }
  const PackedLinear& packed() const { return *packed_; }
  PackedLinear TakePacked() { return *std::move(packed_); }

 private:
  at::Tensor weight_;
  at::Tensor bias_;
  std::optional<PackedLinear> packed_;
  const Parallel* threads_ = nullptr;
};

struct LayerNorm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon = 1e-5;

  // `name` as tower_config.h has it: "...layer_norm1.".
  static absl::StatusOr<LayerNorm> Load(const TensorSource& source,
                                        const std::string& name, int64_t size,
                                        double epsilon,
                                        const Placement& placement);
  at::Tensor operator()(const at::Tensor& rows) const;
};

// out(activation(in(x)))
class Mlp {
 public:
  static absl::StatusOr<Mlp> Load(const TensorSource& source,
                                  const std::string& in_name,
                                  const std::string& out_name,
                                  const TransformerConfig& config,
                                  const Placement& placement);
  at::Tensor operator()(const at::Tensor& rows) const;

  Linear& in() { return in_; }
  Linear& out() { return out_; }

 private:
  Activation activation_ = Activation::kNone;
  bool kernels_ = false;
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
      const TransformerConfig& config, const Placement& placement);
  // One product for the three, or for keys and values.
  Linear All(const Placement& placement) const;
  Linear KeyValue(const Placement& placement) const;
};

// Attention of `count` sequences of equal length: queries [count * asked,
// hidden], keys and values [count * length, hidden] to [count * asked, hidden].
// LibTorch's operators.
at::Tensor Attend(const at::Tensor& queries, const at::Tensor& keys,
                  const at::Tensor& values, int64_t count, int64_t heads,
                  bool causal);

// `count` sequences of `length` rows each.
struct SequenceGroup {
  int64_t count = 0;
  int64_t length = 0;
};

class Transformer {
 public:
  static absl::StatusOr<Transformer> Load(const TensorSource& source,
                                          const TransformerConfig& config,
                                          bool causal, OutputRows output,
                                          const Placement& placement);

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
                                         const Placement& placement);
  static PackedLayer Pack(Layer layer);
  at::Tensor RunPacked(const at::Tensor& rows,
                       const std::vector<SequenceGroup>& groups) const;

  TransformerConfig config_;
  bool causal_ = false;
  OutputRows output_ = OutputRows::kAll;
  // One of them: with LibTorch's operators, or with kernels.
  std::vector<Layer> layers_;
  std::optional<PackedTransformer> packed_;
  const Parallel* threads_ = nullptr;
};

}  // namespace diptych::inference
