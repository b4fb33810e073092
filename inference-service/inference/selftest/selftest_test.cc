// A model with made-up published values: the fake one, whose vectors the test
// knows.
#include "inference/selftest/selftest.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/image/image_decoder.h"
#include "inference/model/fake_model.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using Outcome = SelftestResult::Outcome;
using ::testing::HasSubstr;

constexpr float kLogScale = 2.5F;
constexpr float kBias = -1.25F;

class SelftestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("DIPTYCH_SOURCE_DIR");
    ASSERT_NE(root, nullptr);
    fs::copy_file(
        fs::path(root) / "inference-service/models/demo/golden/img00.png",
        directory_.File("picture.png"));
    WriteScalars();
    description_.family = "fake";
    description_.text = TextPart{Tower(2, 64), {}, "", "fake"};
    description_.image = ImagePart{
        Patches(3, 128), {{{directory_.File("model.safetensors")}, ""}}, {}};
    published_.name = "authors/model";
    published_.family = "fake";
    published_.dimension = 64;
    published_.text_layers = 2;
    published_.text_width = 64;
    published_.vocabulary = 100;
    published_.image_layers = 3;
    published_.image_width = 128;
    published_.image_size = 16;
    published_.patch_size = 8;
    published_.activation = Activation::kQuickGelu;
  }

  static TextTowerConfig Tower(int layers, int width) {
    TextTowerConfig tower;
    tower.transformer.layers = layers;
    tower.transformer.hidden_size = width;
    tower.vocabulary_size = 100;
    return tower;
  }
  static ImageTowerConfig Patches(int layers, int width) {
    ImageTowerConfig tower;
    tower.transformer.layers = layers;
    tower.transformer.hidden_size = width;
    tower.image_size = 16;
    tower.patch_size = 8;
    return tower;
  }

  // logit_scale as CLIP has it, and logit_bias as SigLIP has.
  void WriteScalars() {
    const std::string header =
        R"({"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
        R"("logit_bias":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
    const uint64_t size = header.size();
    const float values[] = {kLogScale, kBias};
    std::ofstream file(directory_.File("model.safetensors"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof(size));
    file << header;
    file.write(reinterpret_cast<const char*>(values), sizeof(values));
  }

  Embedding TextRow(const std::string& text) const {
    return model_.encoder->EncodeTexts({*model_.tokenizer->Tokenize(text)})
        ->front();
  }
  Embedding ImageRow() const {
    std::ifstream file(directory_.File("picture.png"), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    return model_.encoder
        ->EncodeImages(
            {*model_.image_preprocessor->Preprocess(*DecodeImage(bytes))})
        ->front();
  }
  // Rows have length 1.
  static double Dot(const Embedding& a, const Embedding& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
    return sum;
  }
  double LogitOf(const std::string& text) const {
    return std::exp(kLogScale) * Dot(TextRow(text), ImageRow()) + kBias;
  }

  SelftestResult Compare(PublishedValue value) {
    value.source = "a paper";
    published_.values = {std::move(value)};
    const auto results = CompareWithPublished(model_, description_, published_,
                                              directory_.path().string());
    EXPECT_THAT(results, IsOk());
    EXPECT_EQ(results->size(), 1u);
    EXPECT_EQ(results->front().source, "a paper");
    return results->front();
  }

  TempDirectory directory_;
  const Model model_ = MakeFakeModel({.name = "x", .dimension = 64});
  ModelDescription description_;
  PublishedModel published_;
};

TEST_F(SelftestTest, ModelIsRecognisedByFamilyAndSizes) {
  EXPECT_THAT(FindPublished(description_, {published_}), IsOk());
  for (const auto& change : std::vector<std::function<void(PublishedModel&)>>{
           [](PublishedModel& other) { other.family = "clip"; },
           [](PublishedModel& other) { other.dimension = 65; },
           [](PublishedModel& other) { other.text_layers = 3; },
           [](PublishedModel& other) { other.text_layers = 0; },
           [](PublishedModel& other) { other.vocabulary = 101; },
           [](PublishedModel& other) { other.image_width = 64; },
           [](PublishedModel& other) { other.patch_size = 16; },
           [](PublishedModel& other) { other.activation = Activation::kGelu; },
       }) {
    PublishedModel other = published_;
    change(other);
    EXPECT_THAT(FindPublished(description_, {other}),
                StatusIs(absl::StatusCode::kNotFound,
                         ::testing::AllOf(HasSubstr("family fake"),
                                          HasSubstr("authors/model"))));
  }
}

TEST_F(SelftestTest, TokensAreCompared) {
  const auto ids = model_.tokenizer->Tokenize("red circle")->ids;
  EXPECT_EQ(Compare({.tokens = PublishedTokens{"red circle", ids}}).outcome,
            Outcome::kAsPublished);
  const SelftestResult other =
      Compare({.tokens = PublishedTokens{"red square", ids}});
  EXPECT_EQ(other.outcome, Outcome::kDiffers);
  EXPECT_NE(other.expected, other.got);
}

TEST_F(SelftestTest, DirectionsAreComparedWhateverTheirLength) {
  Embedding first = TextRow("red circle");
  first.resize(20);
  for (float& value : first) value *= 7;
  EXPECT_EQ(
      Compare({.embedding = PublishedEmbedding{"red circle", first}}).outcome,
      Outcome::kAsPublished);
  EXPECT_EQ(
      Compare({.embedding = PublishedEmbedding{"blue square", first}}).outcome,
      Outcome::kDiffers);
  first[3] = -first[3];
  EXPECT_EQ(
      Compare({.embedding = PublishedEmbedding{"red circle", first}}).outcome,
      Outcome::kDiffers);
}

TEST_F(SelftestTest, SimilaritiesAreCompared) {
  const double cosine = Dot(TextRow("red circle"), TextRow("red square"));
  PublishedSimilarities value{{"red circle", "red square"},
                              {1, cosine, cosine, 1}};
  EXPECT_EQ(Compare({.similarities = value}).outcome, Outcome::kAsPublished);
  value.cosines[2] += 0.002;
  EXPECT_EQ(Compare({.similarities = value}).outcome, Outcome::kDiffers);
}

TEST_F(SelftestTest, LogitsAndProbabilitiesAreCompared) {
  const double a = LogitOf("red");
  const double b = LogitOf("blue");
  const double exp_a = std::exp(a);
  const double exp_b = std::exp(b);
  PublishedScores logits{{"published.jpg", "picture.png"},
                         {"red", "blue"},
                         PublishedScores::Kind::kLogits,
                         {a, b},
                         1e-4};
  EXPECT_EQ(Compare({.scores = logits}).outcome, Outcome::kAsPublished);
  PublishedScores probabilities = logits;
  probabilities.kind = PublishedScores::Kind::kProbabilities;
  probabilities.values = {exp_a / (exp_a + exp_b), exp_b / (exp_a + exp_b)};
  EXPECT_EQ(Compare({.scores = probabilities}).outcome, Outcome::kAsPublished);
  logits.values[1] += 0.001;
  EXPECT_EQ(Compare({.scores = logits}).outcome, Outcome::kDiffers);
}

TEST_F(SelftestTest, PictureThatIsNotThereIsSaidAndNotCounted) {
  const SelftestResult result =
      Compare({.scores = PublishedScores{{"cats.jpg"}, {"a"}, {}, {1}}});
  EXPECT_EQ(result.outcome, Outcome::kNotChecked);
  EXPECT_THAT(result.got, HasSubstr("cats.jpg"));
}

TEST_F(SelftestTest, ExitStatusSaysWhatCameOut) {
  const SelftestResult good{Outcome::kAsPublished, "tokens", "1", "1", "s"};
  const SelftestResult bad{Outcome::kDiffers, "logits", "1", "2", "s"};
  const SelftestResult open{Outcome::kNotChecked, "logits", "1", "2", "s"};
  std::ostringstream out;
  EXPECT_EQ(ReportSelftest("dir", published_, {good, open}, out), 0);
  EXPECT_THAT(out.str(), HasSubstr("1 as published, 0 differ, 1 not checked"));
  EXPECT_EQ(ReportSelftest("dir", published_, {good, bad}, out), 1);
  EXPECT_THAT(out.str(), HasSubstr("not the weights of authors/model"));
  EXPECT_EQ(ReportSelftest("dir", published_, {open}, out), 2);
}

// What the table says fits together.
TEST(PublishedModelsTest, ValuesAreWhole) {
  for (const PublishedModel& model : PublishedModels()) {
    EXPECT_FALSE(model.values.empty()) << model.name;
    for (const PublishedValue& value : model.values) {
      EXPECT_FALSE(value.source.empty()) << model.name;
      EXPECT_EQ(value.tokens.has_value() + value.embedding.has_value() +
                    value.similarities.has_value() + value.scores.has_value(),
                1)
          << model.name;
      if (value.similarities.has_value()) {
        const size_t count = value.similarities->texts.size();
        EXPECT_EQ(value.similarities->cosines.size(), count * count);
      }
      if (value.scores.has_value()) {
        EXPECT_EQ(value.scores->texts.size(), value.scores->values.size());
        EXPECT_FALSE(value.scores->images.empty());
        EXPECT_GT(model.image_layers, 0);
      }
    }
  }
}

}  // namespace
}  // namespace diptych::inference
