// The text tower and the image tower of every family.
//
// Operation: what tower_config.h describes. Texts of a batch are laid out
// without padding, sorted by length by the caller; what lies behind the pooled
// token of a causal tower is not computed. Sources of the formulas:
// transformers 4.57, modeling_clip.py, modeling_siglip.py, modeling_bert.py,
// modeling_distilbert.py, modeling_xlm_roberta.py; open_clip 2.29, model.py and
// hf_model.py; sentence-transformers 5.1, Pooling.py and Dense.py. Errors of
// LibTorch are thrown and caught in tower_encoder.cc.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: the caller bounds what is in work at a time.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "inference/image/preprocessor_config.h"
#include "inference/kernels/image_patches.h"
#include "inference/model/tensor_source.h"
#include "inference/model/tower_config.h"
#include "inference/torch/transformer.h"
#include "inference/types/image.h"
#include "inference/types/token_ids.h"

namespace diptych::inference {

// The layers behind the pooled row.
class Head {
 public:
  static absl::StatusOr<Head> Load(const TensorSource& source,
                                   const std::vector<DenseConfig>& config,
                                   const Placement& placement);
  at::Tensor operator()(at::Tensor rows) const;

 private:
  struct Layer {
    Linear linear;
    Activation activation = Activation::kNone;
  };
  std::vector<Layer> layers_;
};

class TextTower {
 public:
  static absl::StatusOr<TextTower> Load(const TextTowerConfig& config,
                                        const TensorSource& source,
                                        const Placement& placement);

  // Tokens of a text that are computed.
  int64_t LengthOf(const TokenIds& text) const;

  // The embeddings, unnormalised, of the texts that `order` names, which are
  // sorted by length: [order.size(), dimension].
  at::Tensor Project(absl::Span<const TokenIds> texts,
                     absl::Span<const size_t> order) const;

 private:
  TextTower() = default;

  TextTowerConfig config_;
  Placement placement_;
  at::Tensor tokens_;
  // With the row of the token type added.
  at::Tensor positions_;
  std::optional<LayerNorm> embedding_norm_;
  Transformer transformer_;
  std::optional<LayerNorm> final_norm_;
  Head head_;
};

// A probe that attends to all rows of a picture.
class AttentionPool {
 public:
  static absl::StatusOr<AttentionPool> Load(const TensorSource& source,
                                            const AttentionPoolTensors& tensors,
                                            const TransformerConfig& config,
                                            const Placement& placement);
  // [count * length, hidden] to [count, hidden].
  at::Tensor operator()(const at::Tensor& rows, int64_t count) const;

 private:
  int64_t heads_ = 0;
  // The same for every picture: [1, hidden].
  at::Tensor query_;
  Linear key_value_;
  Linear attention_out_;
  LayerNorm mlp_norm_;
  Mlp mlp_;
};

class ImageTower {
 public:
  static absl::StatusOr<ImageTower> Load(const ImageTowerConfig& config,
                                         const PreprocessorConfig& preprocessor,
                                         const TensorSource& source,
                                         const Placement& placement);

  // Rows that the transformer computes for one picture.
  int64_t RowsPerImage() const;

  // The embeddings, unnormalised: [images.size(), dimension].
  at::Tensor Project(absl::Span<const Image> images) const;

 private:
  ImageTower() = default;

  // Patches times weights: [images.size(), patches, hidden size]. With
  // LibTorch's operators, or with kernels.
  at::Tensor EmbedPatches(absl::Span<const Image> images) const;
  at::Tensor EmbedPatchesPacked(absl::Span<const Image> images) const;

  int64_t size_ = 0;
  int64_t patch_ = 0;
  // Patches per side.
  int64_t side_ = 0;
  Placement placement_;
  Linear patches_;
  // Undefined when there is none.
  at::Tensor class_row_;
  at::Tensor positions_;
  std::optional<LayerNorm> pre_norm_;
  Transformer transformer_;
  LayerNorm post_norm_;
  std::optional<AttentionPool> pool_;
  Head head_;
  // Bytes of a pixel to what the tower reads, by channel.
  PixelScale pixels_;
};

}  // namespace diptych::inference
