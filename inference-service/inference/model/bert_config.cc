#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/model/family_configs.h"

namespace diptych::inference {
namespace {

TextTowerConfig DistilBertTower() {
  TextTowerConfig tower = BertTower();
  tower.transformer.layers = 6;
  tower.transformer.tensors = {
      .prefix = "transformer.layer.",
      .query_key_value = {"attention.q_lin.", "attention.k_lin.",
                          "attention.v_lin."},
      .attention_out = "attention.out_lin.",
      .attention_norm = "sa_layer_norm.",
      .mlp_in = "ffn.lin1.",
      .mlp_out = "ffn.lin2.",
      .mlp_norm = "output_layer_norm."};
  tower.prefixes = {"", "distilbert."};
  tower.type_embedding = "";
  tower.type_count = 0;
  return tower;
}

}  // namespace

TextTowerConfig BertTower() {
  TextTowerConfig tower;
  tower.transformer = {.hidden_size = 768,
                       .intermediate_size = 3072,
                       .layers = 12,
                       .heads = 12,
                       .activation = Activation::kGelu,
                       .layer_norm_epsilon = 1e-12,
                       .norm_first = false};
  tower.transformer.tensors = {
      .prefix = "encoder.layer.",
      .query_key_value = {"attention.self.query.", "attention.self.key.",
                          "attention.self.value."},
      .attention_out = "attention.output.dense.",
      .attention_norm = "attention.output.LayerNorm.",
      .mlp_in = "intermediate.dense.",
      .mlp_out = "output.dense.",
      .mlp_norm = "output.LayerNorm."};
  tower.prefixes = {"", "bert."};
  tower.token_embedding = "embeddings.word_embeddings.weight";
  tower.position_embedding = "embeddings.position_embeddings.weight";
  tower.type_embedding = "embeddings.token_type_embeddings.weight";
  tower.embedding_norm = "embeddings.LayerNorm.";
  tower.vocabulary_size = 30522;
  tower.position_count = 512;
  tower.context_length = 512;
  tower.type_count = 2;
  tower.causal = false;
  tower.pooling = TextPooling::kMean;
  return tower;
}

TextTowerConfig RobertaTower() {
  TextTowerConfig tower = BertTower();
  tower.prefixes = {"", "roberta."};
  tower.transformer.layer_norm_epsilon = 1e-5;
  tower.vocabulary_size = 50265;
  // Positions count from behind that of the padding, whose id is 1.
  tower.first_position = 2;
  tower.position_count = 514;
  tower.type_count = 1;
  return tower;
}

absl::StatusOr<TowersConfig> ParseBertConfig(const ConfigReader& config,
                                             absl::string_view model_type) {
  TowersConfig towers;
  towers.family = std::string(model_type);
  const bool distil = model_type == "distilbert";
  TextTowerConfig tower = BertTower();
  TransformerKeys keys;
  if (distil) {
    tower = DistilBertTower();
    keys = {.hidden_size = "dim",
            .intermediate_size = "hidden_dim",
            .layers = "n_layers",
            .heads = "n_heads",
            .activation = "activation"};
  } else if (model_type != "bert") {
    tower = RobertaTower();
    int padding = 1;
    DIPTYCH_RETURN_IF_ERROR(config.Integer("pad_token_id", 0, 1000, padding));
    tower.first_position = padding + 1;
  }
  DIPTYCH_RETURN_IF_ERROR(ReadTransformer(config, tower.transformer, keys));
  DIPTYCH_RETURN_IF_ERROR(
      config.Integer("vocab_size", 2, 1 << 20, tower.vocabulary_size));
  DIPTYCH_RETURN_IF_ERROR(config.Integer("max_position_embeddings",
                                         tower.first_position + 2, 1 << 16,
                                         tower.position_count));
  if (!distil) {
    DIPTYCH_RETURN_IF_ERROR(
        config.Integer("type_vocab_size", 1, 16, tower.type_count));
  }
  std::string positions = "absolute";
  DIPTYCH_RETURN_IF_ERROR(config.Text("position_embedding_type", positions));
  if (positions != "absolute") {
    return config.Bad("position_embedding_type", "\"absolute\"");
  }
  bool decoder = false;
  DIPTYCH_RETURN_IF_ERROR(config.Boolean("is_decoder", decoder));
  if (decoder) return config.Bad("is_decoder", "false");
  tower.context_length = tower.position_count - tower.first_position;
  towers.text = std::move(tower);
  return towers;
}

}  // namespace diptych::inference
