#include "inference/model/family_configs.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ModelConfigTest, ClipWithNothingGivenIsVitB32) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                               ParseModelConfig(R"({"model_type": "clip"})"));
  EXPECT_EQ(config.family, "clip");
  ASSERT_TRUE(config.text.has_value());
  EXPECT_EQ(config.text->transformer.hidden_size, 512);
  EXPECT_EQ(config.text->transformer.heads, 8);
  EXPECT_EQ(config.text->vocabulary_size, 49408);
  EXPECT_EQ(config.text->context_length, 77);
  EXPECT_EQ(config.text->end_id, 49407);
  EXPECT_EQ(config.text->pooling, TextPooling::kEndToken);
  EXPECT_TRUE(config.text->causal);
  ASSERT_TRUE(config.image.has_value());
  EXPECT_EQ(config.image->transformer.intermediate_size, 3072);
  EXPECT_EQ(config.image->patches_per_side(), 7);
  EXPECT_EQ(config.image->head.back().out, 512);
}

TEST(ModelConfigTest, LegacyDictionaryWins) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseModelConfig(R"({
        "model_type": "clip", "projection_dim": 768,
        "text_config": {"hidden_size": 640},
        "text_config_dict": {"hidden_size": 768, "num_attention_heads": 12},
        "vision_config": {"hidden_size": 1024, "num_attention_heads": 16},
        "vision_config_dict": null})"));
  EXPECT_EQ(config.text->head.back().out, 768);
  EXPECT_EQ(config.text->transformer.hidden_size, 768);
  EXPECT_EQ(config.text->transformer.heads, 12);
  EXPECT_EQ(config.image->transformer.hidden_size, 1024);
}

TEST(ModelConfigTest, DirectoryOfOneTower) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto text,
      ParseModelConfig(
          R"({"model_type": "clip_text_model", "hidden_size": 768,
              "num_attention_heads": 12, "projection_dim": 768})"));
  EXPECT_EQ(text.text->transformer.hidden_size, 768);
  EXPECT_EQ(text.text->head.back().out, 768);
  EXPECT_FALSE(text.image.has_value());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto image,
      ParseModelConfig(
          R"({"model_type": "siglip_vision_model", "patch_size": 14})"));
  EXPECT_EQ(image.image->patch_size, 14);
  EXPECT_FALSE(image.text.has_value());
}

// 2 is a mistake in the files of CLIP, and an id like others in MetaCLIP 2.
TEST(ModelConfigTest, EndTokenOfOldClipIsTheLargestId) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto clip,
      ParseModelConfig(
          R"({"model_type": "clip", "text_config": {"eos_token_id": 2}})"));
  EXPECT_EQ(clip.text->pooling, TextPooling::kLargestId);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto metaclip, ParseModelConfig(R"({
      "model_type": "metaclip_2",
      "text_config": {"eos_token_id": 2, "vocab_size": 901629}})"));
  EXPECT_EQ(metaclip.family, "metaclip-2");
  EXPECT_EQ(metaclip.text->pooling, TextPooling::kEndToken);
  EXPECT_EQ(metaclip.text->end_id, 2);
}

TEST(ModelConfigTest, ChineseClipHasABertAsTextTower) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseModelConfig(R"({
      "model_type": "chinese_clip", "text_config": {"vocab_size": 21128}})"));
  EXPECT_EQ(config.text->pooling, TextPooling::kFirst);
  EXPECT_FALSE(config.text->causal);
  EXPECT_FALSE(config.text->transformer.norm_first);
  EXPECT_EQ(config.text->transformer.activation, Activation::kGelu);
  EXPECT_DOUBLE_EQ(config.text->transformer.layer_norm_epsilon, 1e-12);
  EXPECT_EQ(config.image->transformer.activation, Activation::kQuickGelu);
  EXPECT_EQ(config.text->head.back().weight, "text_projection.weight");
}

TEST(ModelConfigTest, SiglipFillsTextsUpAndPoolsByAttention) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                               ParseModelConfig(R"({"model_type": "siglip"})"));
  EXPECT_EQ(config.text->context_length, 64);
  EXPECT_EQ(config.text->padding_id, 1);
  EXPECT_EQ(config.text->pooling, TextPooling::kLast);
  EXPECT_FALSE(config.text->causal);
  EXPECT_EQ(config.text->transformer.activation, Activation::kGeluTanh);
  EXPECT_DOUBLE_EQ(config.text->transformer.layer_norm_epsilon, 1e-6);
  EXPECT_TRUE(config.image->attention_pool.has_value());
  EXPECT_TRUE(config.image->class_embedding.empty());
  EXPECT_EQ(config.image->patches_per_side(), 14);
  EXPECT_TRUE(config.image->head.empty());
}

TEST(ModelConfigTest, BertsDifferInPositionsAndNames) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto bert, ParseModelConfig(R"({
      "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6,
      "num_attention_heads": 12, "intermediate_size": 1536})"));
  EXPECT_EQ(bert.text->context_length, 512);
  EXPECT_EQ(bert.text->first_position, 0);
  EXPECT_EQ(bert.text->pooling, TextPooling::kMean);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto xlm, ParseModelConfig(R"({
      "model_type": "xlm-roberta", "max_position_embeddings": 514,
      "type_vocab_size": 1, "vocab_size": 250002})"));
  EXPECT_EQ(xlm.text->context_length, 512);
  EXPECT_EQ(xlm.text->first_position, 2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto distil, ParseModelConfig(R"({
      "model_type": "distilbert", "dim": 384, "n_heads": 6, "n_layers": 3,
      "hidden_dim": 1536, "activation": "gelu"})"));
  EXPECT_EQ(distil.text->transformer.hidden_size, 384);
  EXPECT_EQ(distil.text->transformer.layers, 3);
  EXPECT_EQ(distil.text->type_embedding, "");
  EXPECT_EQ(distil.text->transformer.tensors.prefix, "transformer.layer.");
}

TEST(ModelConfigTest, WhatIsNotKnownIsNamed) {
  const struct {
    const char* json;
    const char* message;
  } cases[] = {
      {"[]", "not a JSON object"},
      {"{}", "\"model_type\" must be of a known model family: bert, "},
      {R"({"model_type": "siglip2"})",
       "siglip, siglip_text_model, siglip_vision_model, xlm-roberta; it is "
       "\"siglip2\""},
      {R"({"model_type": "clip", "text_config": {"hidden_act": "relu"}})",
       "\"hidden_act\" must be quick_gelu, gelu or gelu_pytorch_tanh; it is "
       "\"relu\""},
      {R"({"model_type": "clip", "text_config": {"hidden_size": "x"}})",
       "\"hidden_size\" must be a number from 1 to 16384; it is \"x\""},
      {R"({"model_type": "clip", "text_config": {"num_attention_heads": 7}})",
       "\"num_attention_heads\" must be a divisor of the hidden size 512; it "
       "is 7"},
      {R"({"model_type": "clip", "vision_config": {"num_channels": 4}})",
       "\"num_channels\" must be"},
      {R"({"model_type": "clip", "vision_config": {"patch_size": 225}})",
       "\"patch_size\" must be a number from 1 to 224; it is 225"},
      {R"({"model_type": "clip", "vision_config": {"image_size": 16}})",
       "\"image_size\" must be at least the patch size 32"},
      {R"({"model_type": "clip", "vision_config": []})",
       "\"vision_config\" must be an object"},
      {R"({"model_type": "clip", "text_config": {"layer_norm_eps": -1}})",
       "\"layer_norm_eps\" must be"},
      {R"({"model_type": "bert", "position_embedding_type": "relative_key"})",
       "\"position_embedding_type\" must be \"absolute\"; it is "
       "\"relative_key\""},
      {R"({"model_type": "siglip", "vision_config":
           {"vision_use_head": false}})",
       "\"vision_use_head\" must be true; it is false"},
  };
  for (const auto& bad : cases) {
    EXPECT_THAT(
        ParseModelConfig(bad.json).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)))
        << bad.json;
  }
}

constexpr char kBigG[] = R"({
    "model_cfg": {
      "embed_dim": 1280,
      "vision_cfg": {"image_size": 224, "layers": 48, "width": 1664,
                     "head_width": 104, "mlp_ratio": 4.9231, "patch_size": 14},
      "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1280,
                   "heads": 20, "layers": 32}},
    "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}})";

TEST(OpenClipConfigTest, SizesFollowWidthAndRatio) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseOpenClipConfig(kBigG));
  const TransformerConfig& image = config.towers.image->transformer;
  EXPECT_EQ(image.hidden_size, 1664);
  EXPECT_EQ(image.intermediate_size, 8192);
  EXPECT_EQ(image.heads, 16);
  EXPECT_EQ(image.layers, 48);
  EXPECT_EQ(image.activation, Activation::kGelu);
  EXPECT_EQ(config.towers.image->head.back().out, 1280);
  EXPECT_TRUE(config.towers.image->head.back().transposed);
  EXPECT_EQ(config.towers.text->transformer.intermediate_size, 5120);
  EXPECT_EQ(config.towers.text->pooling, TextPooling::kLargestId);
  EXPECT_EQ(config.preprocessor.mean[2], 0.3);
  EXPECT_EQ(config.preprocessor.deviation[0], 0.4);
  EXPECT_EQ(config.preprocessor.shortest_edge, 224);
  EXPECT_EQ(config.preprocessor.crop_rounding, CropRounding::kHalfToEven);
}

TEST(OpenClipConfigTest, QuickGeluAndSquashedImages) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseOpenClipConfig(R"({
      "model_cfg": {"embed_dim": 512, "quick_gelu": true, "custom_text": true,
        "vision_cfg": {"image_size": 256, "patch_size": 32,
                       "patch_dropout": 0.5},
        "text_cfg": {}},
      "preprocess_cfg": {"resize_mode": "squash",
                         "interpolation": "bilinear"}})"));
  EXPECT_EQ(config.towers.text->transformer.activation, Activation::kQuickGelu);
  EXPECT_EQ(config.towers.image->transformer.activation,
            Activation::kQuickGelu);
  EXPECT_EQ(config.preprocessor.shortest_edge, 0);
  EXPECT_EQ(config.preprocessor.resized_width, 256);
  EXPECT_EQ(config.preprocessor.filter, ResampleFilter::kBilinear);
}

TEST(OpenClipConfigTest, XlmRobertaIsATextTowerByName) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseOpenClipConfig(R"({
      "model_cfg": {"embed_dim": 512, "vision_cfg": {"patch_size": 32},
        "text_cfg": {"hf_model_name": "xlm-roberta-base",
                     "hf_tokenizer_name": "xlm-roberta-base", "proj": "mlp",
                     "pooler_type": "mean_pooler"}}})"));
  const TextTowerConfig& text = *config.towers.text;
  EXPECT_EQ(text.vocabulary_size, 250002);
  EXPECT_EQ(text.context_length, 77);
  EXPECT_EQ(text.pooling, TextPooling::kMean);
  EXPECT_THAT(text.prefixes, ElementsAre("text.transformer."));
  ASSERT_EQ(text.head.size(), 2u);
  EXPECT_EQ(text.head[0].out, 640);
  EXPECT_EQ(text.head[0].activation, Activation::kGelu);
  EXPECT_EQ(text.head[1].weight, "text.proj.2.weight");
}

TEST(OpenClipConfigTest, ComponentsThatAreNotKnownAreNamed) {
  const struct {
    const char* vision;
    const char* text;
    const char* preprocess;
    const char* message;
  } cases[] = {
      {R"({"timm_model_name": "vit_base_patch16_siglip_224"})", "{}", "{}",
       "\"timm_model_name\" must be absent: image towers of timm are not "
       "known; it is \"vit_base_patch16_siglip_224\""},
      {R"({"layers": [3, 4, 6, 3]})", "{}", "{}", "ResNets are not known"},
      {R"({"ls_init_value": 0.1})", "{}", "{}",
       "option \"ls_init_value\" is not known"},
      {R"({"pool_type": "avg"})", "{}", "{}",
       "\"pool_type\" must be \"tok\"; it is \"avg\""},
      {"{}", R"({"no_causal_mask": true})", "{}",
       "option \"no_causal_mask\" is not known"},
      {"{}", R"({"hf_model_name": "t5-base"})", "{}",
       "\"hf_model_name\" must be roberta-base, xlm-roberta-base or "
       "xlm-roberta-large; it is \"t5-base\""},
      {"{}",
       R"({"hf_model_name": "roberta-base", "hf_pooler_type": "cls_pooler"})",
       "{}", "\"hf_pooler_type\" must be mean_pooler or"},
      {"{}", "{}", R"({"resize_mode": "longest"})",
       "\"resize_mode\" must be shortest or squash; it is \"longest\""},
      {"{}", "{}", R"({"std": [0.1, 0, 0.1]})", "\"std\" must be positive"},
      {R"({"head_width": 100})", "{}", "{}",
       "\"head_width\" must be a divisor of the hidden size 768"},
  };
  for (const auto& bad : cases) {
    const std::string json =
        absl::StrCat(R"({"model_cfg": {"embed_dim": 512, "vision_cfg": )",
                     bad.vision, R"(, "text_cfg": )", bad.text,
                     R"(}, "preprocess_cfg": )", bad.preprocess, "}");
    EXPECT_THAT(
        ParseOpenClipConfig(json).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)))
        << json;
  }
  EXPECT_THAT(ParseOpenClipConfig("{}").status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"model_cfg\" must be an object")));
}

}  // namespace
}  // namespace diptych::inference
