#include "inference/model/model_description.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kClip[] = R"({"model_type": "clip"})";
constexpr char kBert[] = R"({"model_type": "bert", "hidden_size": 384})";
constexpr char kOpenClip[] = R"({
    "model_cfg": {"embed_dim": 512, "vision_cfg": {"patch_size": 32},
                  "text_cfg": {}},
    "preprocess_cfg": {"resize_mode": "squash"}})";
constexpr char kSentenceModules[] = R"([
    {"idx": 0, "name": "0", "path": "",
     "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling",
     "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Dense",
     "type": "sentence_transformers.models.Dense"},
    {"idx": 3, "name": "3", "path": "3_Normalize",
     "type": "sentence_transformers.models.Normalize"}])";

class ModelDescriptionTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    const fs::path path = directory_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  std::string At(const std::string& name) { return directory_.File(name); }
  absl::StatusOr<ModelDescription> Describe(const std::string& name) {
    return DescribeModel(At(name));
  }
  void ExpectRefused(
      const std::string& name, const std::string& message,
      absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    EXPECT_THAT(
        Describe(name).status(),
        StatusIs(code, AllOf(HasSubstr(message), Not(HasSubstr("\n")))));
  }
  // A text model that embeds into 512 dimensions.
  void WriteSentenceModel(const std::string& name) {
    Write(name + "/modules.json", kSentenceModules);
    Write(name + "/config.json", kBert);
    Write(name + "/model.safetensors", "x");
    Write(name + "/sentence_bert_config.json",
          R"({"max_seq_length": 128, "do_lower_case": false})");
    Write(name + "/1_Pooling/config.json",
          R"({"word_embedding_dimension": 384, "pooling_mode_cls_token": true,
              "pooling_mode_mean_tokens": false})");
    Write(name + "/2_Dense/config.json",
          R"({"in_features": 384, "out_features": 512, "bias": false,
              "activation_function": "torch.nn.modules.linear.Identity"})");
    Write(name + "/2_Dense/model.safetensors", "y");
  }

  TempDirectory directory_;
};

TEST_F(ModelDescriptionTest, ConfigJsonIsTransformers) {
  Write("a/config.json", kClip);
  Write("a/model.safetensors", "x");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
  EXPECT_EQ(model.family, "clip");
  EXPECT_EQ(model.dimension(), 512);
  EXPECT_EQ(model.text->tower.context_length, 77);
  EXPECT_EQ(model.text->tokenizer_folder, At("a"));
  EXPECT_EQ(model.image->preprocessor.shortest_edge, 224);
  EXPECT_THAT(model.WeightPaths(), ElementsAre(At("a/model.safetensors")));
}

TEST_F(ModelDescriptionTest, OpenClipConfigIsOpenClip) {
  Write("a/open_clip_config.json", kOpenClip);
  ExpectRefused("a", "weights are missing; one of these will do: open_clip_",
                absl::StatusCode::kNotFound);
  Write("a/open_clip_model.safetensors", "x");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
  EXPECT_EQ(model.family, "openclip");
  EXPECT_EQ(model.image->preprocessor.shortest_edge, 0);
  EXPECT_EQ(model.image->preprocessor.crop_width, 224);
  EXPECT_THAT(model.WeightPaths(),
              ElementsAre(At("a/open_clip_model.safetensors")));
}

// LAION's directories hold a model twice; Hugging Face's names are taken where
// their weights are there.
TEST_F(ModelDescriptionTest, BothConfigurationsAreTheOneWithWeights) {
  Write("a/config.json", kClip);
  Write("a/open_clip_config.json", kOpenClip);
  Write("a/open_clip_model.safetensors", "x");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto open, Describe("a"));
  EXPECT_EQ(open.family, "openclip");
  Write("a/model.safetensors", "x");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto transformers, Describe("a"));
  EXPECT_EQ(transformers.family, "clip");
}

TEST_F(ModelDescriptionTest, SentenceTransformersChainIsOneTextTower) {
  WriteSentenceModel("a");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
  EXPECT_EQ(model.family, "bert");
  EXPECT_FALSE(model.image.has_value());
  EXPECT_EQ(model.dimension(), 512);
  EXPECT_EQ(model.text->tower.pooling, TextPooling::kFirst);
  EXPECT_EQ(model.text->tower.context_length, 128);
  ASSERT_EQ(model.text->tower.head.size(), 1u);
  EXPECT_EQ(model.text->tower.head[0].weight, "2_Dense/linear.weight");
  EXPECT_EQ(model.text->tower.head[0].bias, "");
  EXPECT_THAT(model.WeightPaths(),
              ElementsAre(At("a/model.safetensors"),
                          At("a/2_Dense/model.safetensors")));
}

TEST_F(ModelDescriptionTest, SentenceTransformersClipLiesInItsFolderOrTheRoot) {
  for (const std::string path : {"0_CLIPModel", ""}) {
    Write("a/modules.json",
          R"([{"idx": 0, "name": "0", "path": ")" + path +
              R"(", "type": "sentence_transformers.models.CLIPModel"}])");
    Write("a/" + path + "/config.json", kClip);
    Write("a/" + path + "/model.safetensors", "x");
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
    EXPECT_EQ(model.family, "clip");
    EXPECT_EQ(model.image->weights[0].paths.size(), 1u);
    EXPECT_TRUE(fs::equivalent(model.text->tokenizer_folder,
                               directory_.path() / "a" / path));
  }
}

TEST_F(ModelDescriptionTest, PairIsTheImageTowerAndTheOtherTextTower) {
  Write("image/config.json", kClip);
  Write("image/model.safetensors", "x");
  WriteSentenceModel("te+xt");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model,
                               DescribeModel(At("image") + "+" + At("te+xt")));
  EXPECT_EQ(model.family, "clip+bert");
  EXPECT_EQ(model.dimension(), 512);
  EXPECT_EQ(model.image->tower.image_size, 224);
  EXPECT_EQ(model.text->tokenizer_folder, At("te+xt"));
  EXPECT_THAT(
      model.WeightPaths(),
      ElementsAre(At("image/model.safetensors"), At("te+xt/model.safetensors"),
                  At("te+xt/2_Dense/model.safetensors")));
  // A directory whose name has a plus is one directory.
  EXPECT_THAT(Describe("te+xt").status(), IsOk());
}

// clip.py of Weaviate's container: SigLIP and sentence-transformers without a
// Normalize are not scaled, everything else is.
TEST_F(ModelDescriptionTest, SaysWhatWeaviatesContainerNormalises) {
  constexpr char kSentenceClip[] = R"([{"idx": 0, "name": "0", "path": "",
      "type": "sentence_transformers.models.CLIPModel"}])";
  constexpr char kNoNormalize[] = R"([
    {"idx": 0, "name": "0", "path": "",
     "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling",
     "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Dense",
     "type": "sentence_transformers.models.Dense"}])";
  Write("clip/config.json", kClip);
  Write("clip/model.safetensors", "x");
  Write("sentence_clip/modules.json", kSentenceClip);
  Write("sentence_clip/config.json", kClip);
  Write("sentence_clip/model.safetensors", "x");
  Write("openclip/open_clip_config.json", kOpenClip);
  Write("openclip/open_clip_model.safetensors", "x");
  Write("siglip/config.json", R"({"model_type": "siglip"})");
  Write("siglip/model.safetensors", "x");
  WriteSentenceModel("normalize");
  WriteSentenceModel("dense");
  Write("dense/modules.json", kNoNormalize);
  const struct {
    std::string directories;
    bool text;
    bool image;
  } cases[] = {
      {At("clip"), true, true},
      {At("sentence_clip"), false, false},
      {At("openclip"), true, true},
      {At("siglip"), false, false},
      {At("normalize"), true, true},
      {At("dense"), false, true},
      // Weaviate's default, and what a directory of each kind gives.
      {At("sentence_clip") + "+" + At("dense"), false, false},
      {At("sentence_clip") + "+" + At("normalize"), true, false},
  };
  for (const auto& [directories, text, image] : cases) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, DescribeModel(directories));
    EXPECT_EQ(model.text->weaviate_normalizes, text) << directories;
    if (!model.image.has_value()) continue;
    EXPECT_EQ(model.image->weaviate_normalizes, image) << directories;
  }
}

TEST_F(ModelDescriptionTest, PairThatDoesNotBelongTogetherIsRefused) {
  Write("image/config.json", kClip);
  Write("image/model.safetensors", "x");
  Write("text/config.json", kBert);
  Write("text/model.safetensors", "x");
  EXPECT_THAT(
      DescribeModel(At("image") + "+" + At("text")).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("the text tower embeds into 384 dimensions, the image "
                         "tower into 512; they do not belong together")));
  EXPECT_THAT(DescribeModel(At("text") + "+" + At("image")).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("text has no image tower")));
  Write("image/config.json", R"({"model_type": "clip_vision_model"})");
  EXPECT_THAT(DescribeModel(At("image") + "+" + At("image")).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("image has no text tower")));
}

TEST_F(ModelDescriptionTest, SiglipReadsSquashedPictures) {
  Write("a/config.json", R"({"model_type": "siglip"})");
  Write("a/model.safetensors", "x");
  Write("a/preprocessor_config.json",
        R"({"image_processor_type": "SiglipImageProcessor", "resample": 2,
            "size": {"height": 224, "width": 224}})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
  EXPECT_EQ(model.image->preprocessor.resized_height, 224);
  EXPECT_FALSE(model.image->preprocessor.center_crop);
  EXPECT_EQ(model.image->preprocessor.mean[0], 0.5);
  EXPECT_EQ(model.image->preprocessor.filter, ResampleFilter::kBilinear);
  Write("a/preprocessor_config.json", R"({"size": {"height": 9, "width": 9}})");
  ExpectRefused("a", "makes pictures of 9x9 pixels");
}

TEST_F(ModelDescriptionTest, ProcessorConfigStandsInForPreprocessorConfig) {
  Write("a/config.json", kClip);
  Write("a/model.safetensors", "x");
  Write("a/processor_config.json",
        R"({"image_processor": {"image_mean": [0.1, 0.2, 0.3]}})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto model, Describe("a"));
  EXPECT_EQ(model.image->preprocessor.mean[1], 0.2);
  EXPECT_EQ(model.image->preprocessor.crop_width, 224);
}

TEST_F(ModelDescriptionTest, UnknownSentenceModulesAreNamed) {
  WriteSentenceModel("a");
  const struct {
    const char* file;
    const char* text;
    const char* message;
  } cases[] = {
      {"modules.json", "{}", "modules.json is not a JSON list"},
      {"modules.json",
       R"([{"path": "", "type": "sentence_transformers.models.WordWeights"}])",
       "modules.json has a module that is not known: "
       "sentence_transformers.models.WordWeights; known are CLIPModel, "},
      {"modules.json", R"([{"path": "", "type": "my_code.Transformer"}])",
       "a module that is not known: my_code.Transformer"},
      {"modules.json",
       R"([{"path": "", "type": "sentence_transformers.models.Pooling"}])",
       "must begin with CLIPModel or Transformer"},
      {"modules.json",
       R"([{"path": "../b",
            "type": "sentence_transformers.models.Transformer"}])",
       "leads outside the directory: ../b"},
      {"1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})",
       "exactly one of pooling_mode_mean_tokens and pooling_mode_cls_token"},
      {"1_Pooling/config.json",
       R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})",
       "exactly one of"},
      {"2_Dense/config.json", R"({"in_features": 100, "out_features": 512})",
       "\"in_features\" must be 384, as the modules before give; it is 100"},
      {"2_Dense/config.json",
       R"({"in_features": 384, "out_features": 512,
           "activation_function": "torch.nn.modules.activation.ReLU"})",
       "\"activation_function\" must be Identity, Tanh or GELU"},
      {"config_sentence_transformers.json",
       R"({"default_prompt_name": "query"})",
       "\"default_prompt_name\" must be null"},
      {"config.json", R"({"model_type": "mpnet"})",
       "\"model_type\" must be of a known model family"},
      {"config.json", R"({"model_type": "siglip"})",
       "a Transformer around model family siglip is not known"},
  };
  for (const auto& bad : cases) {
    fs::remove_all(directory_.path() / "a");
    WriteSentenceModel("a");
    Write(std::string("a/") + bad.file, bad.text);
    ExpectRefused("a", bad.message);
  }
}

TEST_F(ModelDescriptionTest, DirectoryOfNothingSaysWhatIsLookedFor) {
  Write("a/readme.txt", "x");
  ExpectRefused("a",
                "config.json is missing, and so are open_clip_config.json and "
                "modules.json",
                absl::StatusCode::kNotFound);
  ExpectRefused("b", "there is no model directory here",
                absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace diptych::inference
