// The towers of a model as values: sizes, variants, and the names of their
// tensors.
//
// Operation: what families differ in is data here, so that one text tower and
// one image tower compute them all, and every way of writing a model down
// (Hugging Face's names, OpenCLIP's, BERT's) is read by a parser that knows no
// LibTorch. A name that ends in "." or "_" has "weight" or "bias" appended; an
// empty one says that the part is not there. Concurrency: value types.
// Limits: the parsers check sizes; shapes are checked against the weights when
// a tower is built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/types/activation.h"

namespace diptych::inference {

// The tensors of one layer, all of them behind `prefix` and the layer's number.
struct LayerTensors {
  // "text_model.encoder.layers."
  std::string prefix = {};
  // One name that holds the rows of queries, keys and values, or three.
  std::vector<std::string> query_key_value = {};
  std::string attention_out = {};
  std::string attention_norm = {};
  std::string mlp_in = {};
  std::string mlp_out = {};
  std::string mlp_norm = {};
};

struct TransformerConfig {
  int hidden_size = 0;
  int intermediate_size = 0;
  int layers = 0;
  int heads = 0;
  Activation activation = Activation::kQuickGelu;
  double layer_norm_epsilon = 1e-5;
  // Before attention and MLP, inside the residual branch (CLIP), or behind the
  // sum (BERT).
  bool norm_first = true;
  LayerTensors tensors = {};
};

// y = activation(W x + b), behind the pooled row.
struct DenseConfig {
  // Complete names; `bias` is empty for none.
  std::string weight = {};
  std::string bias = {};
  int in = 0;
  int out = 0;
  // The tensor is [in, out] rather than [out, in].
  bool transposed = false;
  Activation activation = Activation::kNone;
};

enum class TextPooling {
  // The first row whose id is TextTowerConfig::end_id.
  kEndToken,
  // The first row with the largest id: OpenAI's way to find the end token.
  kLargestId,
  kFirst,
  kLast,
  kMean,
};

struct TextTowerConfig {
  TransformerConfig transformer = {};
  // The first with which the weights have `token_embedding` goes before all
  // names that exist with it.
  std::vector<std::string> prefixes = {""};
  std::string token_embedding = {};
  std::string position_embedding = {};
  // BERT's; its first row is added to all tokens.
  std::string type_embedding = {};
  std::string embedding_norm = {};
  std::string final_norm = {};

  int vocabulary_size = 0;
  // Rows of the position table, and the row of the first token.
  int position_count = 0;
  int first_position = 0;
  int type_count = 0;
  // Tokens that the tower reads at most.
  int context_length = 0;

  // A token sees itself and those before it only.
  bool causal = true;
  // What the family pools; `end_id` is used by kEndToken alone.
  TextPooling pooling = TextPooling::kEndToken;
  int32_t end_id = 0;
  // Every text is filled up to context_length with this id, and the filling is
  // read like text (SigLIP). None: texts are read as they are.
  std::optional<int32_t> padding_id = {};
  std::vector<DenseConfig> head = {};
};

// A probe that attends to all rows, then an MLP with a residual: SigLIP's head.
struct AttentionPoolTensors {
  std::string probe = {};
  std::string query_key_value = {};
  std::string attention_out = {};
  std::string mlp_norm = {};
  std::string mlp_in = {};
  std::string mlp_out = {};
};

struct ImageTowerConfig {
  TransformerConfig transformer = {};
  int image_size = 224;
  int patch_size = 32;
  std::string patch_weight = {};
  std::string patch_bias = {};
  // A row before those of the patches, which is then the pooled one.
  std::string class_embedding = {};
  std::string position_embedding = {};
  std::string pre_norm = {};
  std::string post_norm = {};
  // Pools instead of the class row.
  std::optional<AttentionPoolTensors> attention_pool = {};
  std::vector<DenseConfig> head = {};

  int patches_per_side() const { return image_size / patch_size; }
};

// The towers that a configuration file describes; at least one of them.
struct TowersConfig {
  // "clip", "openclip", "chinese-clip", "siglip", "metaclip-2", "bert", ...
  std::string family = {};
  std::optional<TextTowerConfig> text = {};
  std::optional<ImageTowerConfig> image = {};
};

// Elements of a tower's embedding.
inline int DimensionOf(const TransformerConfig& transformer,
                       const std::vector<DenseConfig>& head) {
  return head.empty() ? transformer.hidden_size : head.back().out;
}

}  // namespace diptych::inference
