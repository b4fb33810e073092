#include "inference/image/preprocessor_config.h"

#include <string>

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

TEST(PreprocessorConfigTest, NothingGivenIsTheDefault) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                               ParsePreprocessorConfig("{}"));
  EXPECT_EQ(config.shortest_edge, 224);
  EXPECT_EQ(config.crop_width, 224);
  EXPECT_EQ(config.filter, ResampleFilter::kBicubic);
  EXPECT_DOUBLE_EQ(config.mean[0], 0.48145466);
}

TEST(PreprocessorConfigTest, OldAndNewKeysMeanTheSame) {
  for (const char* json :
       {R"({"feature_extractor_type": "CLIPFeatureExtractor", "size": 336,
            "crop_size": 336, "resample": 2})",
        R"({"image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": 336}, "resample": 2,
            "crop_size": {"height": 336, "width": 336}})"}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                                 ParsePreprocessorConfig(json));
    EXPECT_EQ(config.shortest_edge, 336);
    EXPECT_EQ(config.crop_width, 336);
    EXPECT_EQ(config.crop_height, 336);
    EXPECT_EQ(config.filter, ResampleFilter::kBilinear);
  }
}

TEST(PreprocessorConfigTest, StepsThatAreOffChangeNothing) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto config,
      ParsePreprocessorConfig(
          R"({"do_rescale": false, "do_normalize": false})"));
  EXPECT_EQ(config.rescale_factor, 1);
  EXPECT_EQ(config.mean[1], 0);
  EXPECT_EQ(config.deviation[2], 1);
}

TEST(PreprocessorConfigTest, DefaultsAreThoseOfTheFamily) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto siglip,
      ParsePreprocessorConfig(
          R"({"image_processor_type": "SiglipImageProcessorFast"})",
          SiglipDefaults(384)));
  EXPECT_EQ(siglip.shortest_edge, 0);
  EXPECT_EQ(siglip.resized_width, 384);
  EXPECT_FALSE(siglip.center_crop);
  EXPECT_EQ(siglip.deviation[0], 0.5);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto chinese,
      ParsePreprocessorConfig(
          R"({"feature_extractor_type": "ChineseCLIPFeatureExtractor",
              "size": {"height": 224, "width": 224}})",
          ClipDefaults(224)));
  EXPECT_EQ(chinese.shortest_edge, 0);
  EXPECT_EQ(chinese.resized_height, 224);
  EXPECT_TRUE(chinese.center_crop);
}

TEST(PreprocessorConfigTest, NewestFilesHaveTheProcessorInsideAnother) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto config,
      ParseProcessorConfig(R"({"image_processor": {"resample": 2}})",
                           ClipDefaults(96)));
  EXPECT_EQ(config.filter, ResampleFilter::kBilinear);
  EXPECT_EQ(config.crop_width, 96);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto none,
                               ParseProcessorConfig("{}", ClipDefaults(96)));
  EXPECT_EQ(none.shortest_edge, 96);
  EXPECT_THAT(ParseProcessorConfig("[]", ClipDefaults(96)).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PreprocessorConfigTest, WrongValuesAreNamed) {
  const struct {
    const char* json;
    const char* message;
  } cases[] = {
      {"[]", "not a JSON object"},
      {"{\"size\": ", "not a JSON object"},
      {R"({"size": 0})", "\"size\" must be 1 to 4096 pixels"},
      {R"({"size": {"longest_edge": 9}})", "\"size\" must be"},
      {R"({"crop_size": {"height": 224}})", "\"crop_size\" must be"},
      {R"({"resample": 6})", "\"resample\" must be 0 to 5"},
      {R"({"do_resize": 1})", "\"do_resize\" must be true or false"},
      {R"({"image_mean": [0.5]})", "\"image_mean\" must be a list of 3"},
      {R"({"image_std": [1, 0, 1]})", "\"image_std\" must be positive"},
      {R"({"do_center_crop": false})", "\"do_center_crop\" must be true"},
      {R"({"image_processor_type": "BlipImageProcessor"})",
       "it is \"BlipImageProcessor\""},
  };
  for (const auto& bad : cases) {
    EXPECT_THAT(
        ParsePreprocessorConfig(bad.json),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)))
        << bad.json;
  }
}

}  // namespace
}  // namespace diptych::inference
