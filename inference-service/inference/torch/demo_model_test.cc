// The demo model through the whole of its parts: the conformance suite, and the
// committed golden embeddings, which torch computed in Python.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "inference/image/image_decoder.h"
#include "inference/kernels/packed_linear.h"
#include "inference/model/encoder_conformance_test.h"
#include "inference/torch/model_loader.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path DemoModel() {
  return fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
         "inference-service/models/demo";
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// One per precision that this processor has.
std::vector<EncoderUnderTest> EncodersUnderTest() {
  std::vector<EncoderUnderTest> encoders;
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (!HasPrecision(BestKernelLevel(), precision)) continue;
    encoders.push_back(
        {PrecisionName(precision),
         [precision]() -> std::unique_ptr<const Encoder> {
           LoadModelOptions options;
           options.precision = precision;
           auto model = LoadModel((DemoModel() / "model").string(), options);
           EXPECT_THAT(model, IsOk());
           return model.ok() ? std::move(model->encoder) : nullptr;
         },
         826, 824, 825});
  }
  return encoders;
}

INSTANTIATE_TEST_SUITE_P(Clip, EncoderConformanceTest,
                         ::testing::ValuesIn(EncodersUnderTest()));

TEST(DemoModelTest, AutoChoosesAPrecisionThatStaysCloseToFloat32) {
  LoadModelOptions options;
  options.precision = PrecisionRequest();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const Model model, LoadModel((DemoModel() / "model").string(), options));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model exact,
                               LoadModel((DemoModel() / "model").string()));
  for (const char* text : {"a red circle", "two blue squares on white"}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const TokenIds ids,
                                 model.tokenizer->Tokenize(text));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto rows,
                                 model.encoder->EncodeTexts({ids}));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto wanted,
                                 exact.encoder->EncodeTexts({ids}));
    EXPECT_GE(Cosine(rows[0], wanted[0]), 0.999) << text;
  }
}

TEST(DemoModelTest, InfoSaysWhatTheFilesSay) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const Model model,
      LoadModel((DemoModel() / "model").string(),
                {.name = "demo", .device = {DeviceRequest::Kind::kCpu, 0}}));
  const ModelInfo& info = model.info();
  EXPECT_EQ(info.name, "demo");
  EXPECT_EQ(info.family, "clip");
  EXPECT_EQ(info.dimension, 256);
  EXPECT_EQ(info.context_length, 32);
  EXPECT_EQ(model.tokenizer->context_length(), 32);
  EXPECT_EQ(info.image_size, 48);
  EXPECT_EQ(info.device, "cpu");
  EXPECT_EQ(info.dtype, "float32");
}

TEST(DemoModelTest, EmbeddingsAreTheGoldenOnes) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model,
                               LoadModel((DemoModel() / "model").string()));
  const Json golden = Json::parse(ReadFile(DemoModel() / "golden/golden.json"));
  std::vector<TokenIds> texts;
  std::vector<Image> images;
  for (const Json& expected : golden["cases"]) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        texts.emplace_back(),
        model.tokenizer->Tokenize(expected["caption"].get<std::string>()));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        const Image image,
        DecodeImage(ReadFile(DemoModel() / "golden" /
                             expected["image"].get<std::string>())));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(images.emplace_back(),
                                 model.image_preprocessor->Preprocess(image));
  }
  ASSERT_GE(texts.size(), 12u);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text_rows,
                               model.encoder->EncodeTexts(texts));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                               model.encoder->EncodeImages(images));
  for (size_t i = 0; i < texts.size(); ++i) {
    const Json& expected = golden["cases"][i];
    EXPECT_GE(Cosine(text_rows[i], expected["text_embed"].get<Embedding>()),
              0.99999)
        << expected["caption"];
    EXPECT_GE(Cosine(image_rows[i], expected["image_embed"].get<Embedding>()),
              0.99999)
        << expected["image"];
    // A picture finds its own caption among all.
    for (size_t other = 0; other < texts.size(); ++other) {
      EXPECT_LE(Cosine(image_rows[i], text_rows[other]),
                Cosine(image_rows[i], text_rows[i]));
    }
  }
}

TEST(DemoModelTest, BatchLargerThanOneRunIsDoneInParts) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Model model,
                               LoadModel((DemoModel() / "model").string()));
  std::vector<Image> images;
  for (int i = 0; i < 70; ++i) {
    Image image(48, 48);
    for (size_t at = 0; at < image.pixels().size(); ++at) {
      image.data()[at] = static_cast<uint8_t>(at * (i + 1));
    }
    images.push_back(std::move(image));
  }
  std::vector<TokenIds> texts(
      500, *model.tokenizer->Tokenize("two blue squares on a red background"));
  texts.back() = *model.tokenizer->Tokenize("a star");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                               model.encoder->EncodeImages(images));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text_rows,
                               model.encoder->EncodeTexts(texts));
  ASSERT_EQ(image_rows.size(), 70u);
  ASSERT_EQ(text_rows.size(), 500u);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto last_image,
                               model.encoder->EncodeImages({images[69]}));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto last_text,
                               model.encoder->EncodeTexts({texts[499]}));
  EXPECT_GE(Cosine(image_rows[69], last_image[0]), 0.99999);
  EXPECT_GE(Cosine(text_rows[499], last_text[0]), 0.99999);
  EXPECT_GE(Cosine(text_rows[0], text_rows[498]), 0.99999);
}

}  // namespace
}  // namespace diptych::inference
