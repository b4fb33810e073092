#include "inference/model/clip_config.h"

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

TEST(ClipConfigTest, NothingGivenIsVitB32) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                               ParseClipConfig(R"({"model_type": "clip"})"));
  EXPECT_EQ(config.projection_dim, 512);
  ASSERT_TRUE(config.text.has_value());
  EXPECT_EQ(config.text->transformer.hidden_size, 512);
  EXPECT_EQ(config.text->transformer.heads, 8);
  EXPECT_EQ(config.text->vocabulary_size, 49408);
  EXPECT_EQ(config.text->eos_token_id, 49407);
  ASSERT_TRUE(config.vision.has_value());
  EXPECT_EQ(config.vision->transformer.intermediate_size, 3072);
  EXPECT_EQ(config.vision->patches_per_side(), 7);
}

TEST(ClipConfigTest, LegacyDictionaryWins) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config, ParseClipConfig(R"({
        "model_type": "clip", "projection_dim": 768,
        "text_config": {"hidden_size": 640},
        "text_config_dict": {"hidden_size": 768, "num_attention_heads": 12},
        "vision_config": {"hidden_size": 1024, "num_attention_heads": 16},
        "vision_config_dict": null})"));
  EXPECT_EQ(config.projection_dim, 768);
  EXPECT_EQ(config.text->transformer.hidden_size, 768);
  EXPECT_EQ(config.text->transformer.heads, 12);
  EXPECT_EQ(config.vision->transformer.hidden_size, 1024);
}

TEST(ClipConfigTest, DirectoryOfOneTower) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto text,
      ParseClipConfig(
          R"({"model_type": "clip_text_model", "hidden_size": 768,
              "num_attention_heads": 12, "projection_dim": 768})"));
  EXPECT_EQ(text.text->transformer.hidden_size, 768);
  EXPECT_EQ(text.projection_dim, 768);
  EXPECT_FALSE(text.vision.has_value());
}

TEST(ClipConfigTest, WhatIsNotSupportedIsNamed) {
  const struct {
    const char* json;
    const char* message;
  } cases[] = {
      {"[]", "not a JSON object"},
      {"{}", "\"model_type\" is not given"},
      {R"({"model_type": "siglip"})",
       "this model family is not supported; \"clip\" is; \"model_type\" is "
       "\"siglip\""},
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
      {R"({"model_type": "clip", "vision_config": []})",
       "\"vision_config\" must be an object"},
      {R"({"model_type": "clip", "text_config": {"layer_norm_eps": -1}})",
       "\"layer_norm_eps\" must be"},
  };
  for (const auto& bad : cases) {
    EXPECT_THAT(
        ParseClipConfig(bad.json).status(),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
}

}  // namespace
}  // namespace diptych::inference
