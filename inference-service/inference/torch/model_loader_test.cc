// Damaged copies of the demo model: each is refused with one line that says
// what is wrong.
#include "inference/torch/model_loader.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class ModelLoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = directory_.path() / "model";
    fs::copy(fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                 "inference-service/models/demo/model",
             model_);
  }
  std::string Read(const std::string& name) {
    std::ifstream file(model_ / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void Write(const std::string& name, const std::string& bytes) {
    fs::remove(model_ / name);
    std::ofstream(model_ / name, std::ios::binary) << bytes;
  }
  // Changes one value of a JSON file.
  void Set(const std::string& name, const std::string& pointer, Json value) {
    Json json = Json::parse(Read(name));
    json[Json::json_pointer(pointer)] = std::move(value);
    Write(name, json.dump());
  }
  absl::StatusOr<Model> Load() { return LoadModel(model_.string()); }
  void ExpectRefused(absl::StatusCode code, const std::string& message) {
    EXPECT_THAT(
        Load().status(),
        StatusIs(code, AllOf(HasSubstr("model directory "), HasSubstr(message),
                             Not(HasSubstr("\n")))));
  }

  TempDirectory directory_;
  fs::path model_;
};

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kMissing = absl::StatusCode::kNotFound;

TEST_F(ModelLoaderTest, UndamagedCopyLoads) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model, Load());
  EXPECT_EQ(model.info().name, "model");
}

TEST_F(ModelLoaderTest, VocabularyFilesStandInForTokenizerJson) {
  fs::remove(model_ / "tokenizer.json");
  EXPECT_THAT(Load().status(), IsOk());
  fs::remove(model_ / "merges.txt");
  ExpectRefused(kMissing, "merges.txt is missing beside vocab.json");
}

TEST_F(ModelLoaderTest, WithoutPreprocessorConfigTheTowersSizeIsMeant) {
  fs::remove(model_ / "preprocessor_config.json");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model, Load());
  EXPECT_EQ(model.image_preprocessor->Preprocess(Image(100, 70))->width(), 48);
}

TEST_F(ModelLoaderTest, SentenceTransformersFolderIsTheSameModel) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model plain, Load());
  const fs::path folder = directory_.path() / "sentence";
  fs::create_directories(folder);
  fs::copy(model_, folder / "0_CLIPModel");
  std::ofstream(folder / "modules.json")
      << R"([{"idx": 0, "name": "0", "path": "0_CLIPModel",
              "type": "sentence_transformers.models.CLIPModel"}])";
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model, LoadModel(folder.string()));
  EXPECT_EQ(model.info().name, "sentence");
  EXPECT_EQ(model.info().fingerprint, plain.info().fingerprint);
  EXPECT_EQ(model.tokenizer->context_length(),
            plain.tokenizer->context_length());
}

TEST_F(ModelLoaderTest, PairTakesOneTowerOfEach) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model plain, Load());
  const fs::path text = directory_.path() / "text";
  fs::copy(model_, text);
  fs::remove(text / "preprocessor_config.json");
  fs::remove(model_ / "tokenizer.json");
  fs::remove(model_ / "vocab.json");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const Model pair, LoadModel(model_.string() + "+" + text.string()));
  EXPECT_EQ(pair.info().family, "clip+clip");
  EXPECT_NE(pair.info().fingerprint, plain.info().fingerprint);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const TokenIds ids,
                               pair.tokenizer->Tokenize("a red star"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto texts,
                               pair.encoder->EncodeTexts({ids}));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto wanted,
                               plain.encoder->EncodeTexts({ids}));
  EXPECT_EQ(texts, wanted);
  EXPECT_TRUE(pair.info().has_image);
}

TEST_F(ModelLoaderTest, ModelOfOneTowerRefusesTheOtherKindOfInput) {
  Json config = Json::parse(Read("config.json"));
  Json vision = config["vision_config"];
  vision["model_type"] = "clip_vision_model";
  vision["projection_dim"] = config["projection_dim"];
  Write("config.json", vision.dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model, Load());
  EXPECT_EQ(model.tokenizer, nullptr);
  EXPECT_FALSE(model.info().has_text);
  EXPECT_THAT(
      model.encoder->EncodeTexts({TokenIds{{1, 2}, false}}).status(),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("no texts")));
  EXPECT_THAT(model.encoder->EncodeImages({Image(48, 48)}).status(), IsOk());
}

TEST_F(ModelLoaderTest, MissingFilesAreNamed) {
  fs::remove(model_ / "model.safetensors");
  ExpectRefused(kMissing, "model.safetensors is missing");
  fs::remove(model_ / "config.json");
  ExpectRefused(kMissing, "config.json is missing");
  fs::remove_all(model_);
  ExpectRefused(kMissing, "there is no model directory");
}

TEST_F(ModelLoaderTest, TruncatedWeightsAreRefused) {
  const std::string weights = Read("model.safetensors");
  Write("model.safetensors", weights.substr(0, weights.size() / 2));
  ExpectRefused(kInvalid, "model.safetensors: is malformed: tensor");
  Write("model.safetensors", weights.substr(0, 100));
  ExpectRefused(kInvalid, "model.safetensors: is malformed: it is truncated");
  Write("model.safetensors", "");
  ExpectRefused(kInvalid, "model.safetensors: is malformed: it is empty");
}

TEST_F(ModelLoaderTest, WeightsOfAnotherShapeAreRefused) {
  Set("config.json", "/text_config/intermediate_size", 256);
  ExpectRefused(kInvalid,
                "tensor text_model.encoder.layers.0.mlp.fc1.weight must have "
                "shape [256,128] by config.json; it has [512,128]");
}

TEST_F(ModelLoaderTest, MissingTensorIsNamed) {
  Set("config.json", "/vision_config/num_hidden_layers", 6);
  ExpectRefused(kInvalid,
                "the weights lack tensor vision_model.encoder.layers.5.");
}

TEST_F(ModelLoaderTest, WeightsThatAreNoNumbersAreRefused) {
  std::string weights = Read("model.safetensors");
  // The last half of the last tensor.
  weights.replace(weights.size() - 2, 2, "\xff\x7f");
  Write("model.safetensors", weights);
  ExpectRefused(kInvalid, "holds a value that is not finite");
}

TEST_F(ModelLoaderTest, UnknownFamilyIsNamed) {
  Set("config.json", "/model_type", "blip");
  ExpectRefused(kInvalid,
                "\"model_type\" must be of a known model family: bert, "
                "chinese_clip, clip, ");
  ExpectRefused(kInvalid, "it is \"blip\"");
}

TEST_F(ModelLoaderTest, ContradictingFilesAreRefused) {
  Set("preprocessor_config.json", "/crop_size", 64);
  ExpectRefused(kInvalid,
                "makes pictures of 64x64 pixels, but the \"image_size\" of "
                "the image tower is 48");
  Set("preprocessor_config.json", "/crop_size", 48);
  Set("tokenizer.json", "/model/vocab/zzz", 826);
  ExpectRefused(kInvalid, "ids outside the 826 of config.json's");
}

TEST_F(ModelLoaderTest, CudaDeviceThatIsNotThereIsRefused) {
  // Number 100 is nowhere.
  LoadModelOptions options;
  options.device = {DeviceRequest::Kind::kCuda, 100};
  EXPECT_THAT(
      LoadModel(model_.string(), options).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("device cuda"), HasSubstr("asked for"))));
}

}  // namespace
}  // namespace diptych::inference
