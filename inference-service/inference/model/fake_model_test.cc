#include "inference/model/fake_model.h"

#include <memory>
#include <utility>
#include <vector>

#include "inference/model/encoder_conformance_test.h"

namespace diptych::inference {
namespace {

INSTANTIATE_TEST_SUITE_P(Fake, EncoderConformanceTest,
                         ::testing::Values(EncoderUnderTest{
                             "fake",
                             [] { return std::move(MakeFakeModel().encoder); },
                             1 << 20, 0, 1}));

Embedding EmbeddingOf(const Model& model, absl::string_view text) {
  const auto tokens = model.tokenizer->Tokenize(text);
  EXPECT_THAT(tokens, IsOk());
  const auto rows = model.encoder->EncodeTexts({*tokens});
  EXPECT_THAT(rows, IsOk());
  return rows->front();
}

TEST(FakeModelTest, TextsThatShareWordsLieNearer) {
  const Model model = MakeFakeModel();
  const Embedding query = EmbeddingOf(model, "a red circle");
  EXPECT_GT(Cosine(query, EmbeddingOf(model, "A RED square")),
            Cosine(query, EmbeddingOf(model, "two green hearts")) + 0.2);
}

TEST(FakeModelTest, LongTextIsTruncatedAndSaysSo) {
  const Model model = MakeFakeModel({.context_length = 5});
  EXPECT_FALSE(model.tokenizer->Tokenize("one two three")->truncated);
  const auto cut = model.tokenizer->Tokenize("one two three four");
  EXPECT_TRUE(cut->truncated);
  EXPECT_EQ(cut->ids.size(), 5u);
}

TEST(FakeModelTest, PicturesThatLookAlikeLieNearer) {
  const Model model = MakeFakeModel();
  const auto picture = [&](int red, int blue) {
    Image image(40, 30);
    for (int i = 0; i < 40 * 30; ++i) {
      image.data()[i * 3] = static_cast<uint8_t>(red);
      image.data()[i * 3 + 2] = static_cast<uint8_t>(blue);
    }
    return *model.image_preprocessor->Preprocess(image);
  };
  const auto rows = model.encoder->EncodeImages(
      {picture(255, 0), picture(240, 10), picture(0, 255)});
  ASSERT_THAT(rows, IsOk());
  EXPECT_GT(Cosine((*rows)[0], (*rows)[1]), Cosine((*rows)[0], (*rows)[2]));
}

TEST(FakeModelTest, AnotherDimensionIsAnotherFingerprint) {
  const Model model = MakeFakeModel({.dimension = 512});
  EXPECT_EQ(model.info().dimension, 512);
  EXPECT_NE(model.info().fingerprint, MakeFakeModel().info().fingerprint);
}

}  // namespace
}  // namespace diptych::inference
