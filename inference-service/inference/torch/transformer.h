// The layers of a CLIP tower on LibTorch. Internal to this folder: the only
// header that includes LibTorch.
//
// Operation: pre-normalised attention and MLP blocks over the rows of many
// sequences at once. Sequences of different lengths are laid one after the
// other without padding, so that a batch costs what its tokens cost; only
// attention looks at one sequence at a time. The last layer is computed for the
// pooled rows alone. Errors of LibTorch are thrown and caught by the callers in
// clip_encoder.cc. Concurrency: Run may be called from any thread, in parallel.
// Limits: the caller bounds the rows of one run.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model/clip_config.h"
#include "inference/weights/weights.h"

namespace diptych::inference {

// Tensor `name` as float32 on `device`.
absl::StatusOr<at::Tensor> LoadTensor(const Weights& weights,
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

  static absl::StatusOr<LayerNorm> Load(const Weights& weights,
                                        const std::string& name, int64_t size,
                                        double epsilon, at::Device device);
  at::Tensor operator()(const at::Tensor& rows) const;
};

// `count` sequences of `length` rows each.
struct SequenceGroup {
  int64_t count = 0;
  int64_t length = 0;
};

// Which row of a sequence the embedding is taken from. The last goes with
// causal attention (texts), the first with attention to all rows (pictures).
enum class Pooling { kFirst, kLast };

class Transformer {
 public:
  // `prefix` names the layers: "text_model.encoder.layers".
  static absl::StatusOr<Transformer> Load(const Weights& weights,
                                          const std::string& prefix,
                                          const TransformerConfig& config,
                                          Pooling pooling, at::Device device);

  // `rows` is [sum of count * length, hidden size], in the order of `groups`.
  // Returns [sequences, hidden size]: the pooled rows behind the last layer.
  at::Tensor Run(at::Tensor rows,
                 const std::vector<SequenceGroup>& groups) const;

 private:
  struct Layer {
    LayerNorm attention_norm;
    // Queries, keys and values in one product; the last layer has its queries
    // apart, because only pooled rows ask. Queries are scaled by
    // head size^-0.5.
    Linear query_key_value;
    Linear query;
    Linear key_value;
    Linear attention_out;
    LayerNorm mlp_norm;
    Linear mlp_in;
    Linear mlp_out;
  };

  static absl::StatusOr<Layer> LoadLayer(const Weights& weights,
                                         const std::string& prefix,
                                         const TransformerConfig& config,
                                         bool last, at::Device device);
  at::Tensor Mlp(const Layer& layer, const at::Tensor& rows) const;
  at::Tensor Attend(const at::Tensor& queries, const at::Tensor& keys,
                    const at::Tensor& values, int64_t count, bool causal) const;

  TransformerConfig config_;
  Pooling pooling_ = Pooling::kFirst;
  std::vector<Layer> layers_;
};

}  // namespace diptych::inference
