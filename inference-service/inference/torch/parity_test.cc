// Every family against an independent forward pass in Python
// (tests/golden/model_reference.py) on random weights: small shapes, and the
// published widths with fewer layers and tokens. DIPTYCH_PARITY=full takes the
// published shapes whole instead, which needs minutes and some 20 GB on disk.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/kernels/packed_linear.h"
#include "inference/model/cosine.h"
#include "inference/model/model_description.h"
#include "inference/torch/model_loader.h"
#include "inference/torch/tower_encoder.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kPython[] = "/usr/bin/python3";

struct Variant {
  const char* name;
  // Of model_reference.py, behind the directory.
  const char* arguments;
  // ModelInfo::family.
  const char* family;
};

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

constexpr Variant kVariants[] = {
    {"clip", "clip", "clip"},
    {"clip_f16_gelu", "clip --dtype F16 --set activation=gelu", "clip"},
    {"clip_bf16_tanh", "clip --dtype BF16 --set activation=gelu_pytorch_tanh",
     "clip"},
    {"clip_sharded", "clip --dtype F16 --shards 3", "clip"},
    {"clip_legacy_eos", "clip --set eos=2", "clip"},
    {"clip_base32",
     "clip --shapes base32 --layers 2 --vocabulary 2000 --dtype F16", "clip"},
    {"clip_tiny16",
     "clip --shapes tiny16 --layers 2 --vocabulary 2000 --dtype F16", "clip"},
    {"clip_huge14",
     "clip --shapes huge14 --layers 1 --vocabulary 2000 --dtype F16 "
     "--set activation=gelu",
     "clip"},
    {"metaclip_2", "metaclip-2", "metaclip-2"},
    {"metaclip_2_base32",
     "metaclip-2 --shapes base32-384 --layers 2 --vocabulary 2000 --dtype F16",
     "metaclip-2"},
    {"sentence_clip", "sentence-clip", "clip"},
    {"sentence_clip_root", "sentence-clip --set path=", "clip"},
    {"openclip_quick_gelu", "openclip --set activation=quick_gelu", "openclip"},
    {"openclip_text_prefix", "openclip --set prefix=text.", "openclip"},
    {"openclip_base32",
     "openclip --shapes base32 --layers 2 --vocabulary 2000 --dtype F16",
     "openclip"},
    {"openclip_bigg14",
     "openclip --shapes bigg14 --layers 1 --vocabulary 2000 --dtype F16",
     "openclip"},
    {"openclip_xlm_roberta", "openclip-xlm-roberta --dtype F16", "openclip"},
    {"chinese_clip", "chinese-clip", "chinese-clip"},
    {"chinese_clip_base16",
     "chinese-clip --shapes base16 --layers 2 --vocabulary 2000 --dtype F16",
     "chinese-clip"},
    {"siglip", "siglip", "siglip"},
    {"siglip_padding_0", "siglip --set pad=0", "siglip"},
    {"siglip_base16",
     "siglip --shapes base16 --layers 2 --vocabulary 2000 --dtype F16",
     "siglip"},
    {"pair", "pair", "clip+distilbert"},
    {"pair_base32",
     "pair --shapes base32 --layers 2 --vocabulary 2000 --dtype F16",
     "clip+distilbert"},
    {"bert_mean", "sentence-bert", "bert"},
    {"bert_cls_prefix", "sentence-bert --set pooling=cls --set prefix=bert.",
     "bert"},
    {"bert_minilm", "sentence-bert --shapes minilm --layers 2 --dtype F16",
     "bert"},
    {"roberta", "sentence-roberta --set type=roberta", "roberta"},
    {"xlm_roberta", "sentence-roberta --set type=xlm-roberta", "xlm-roberta"},
};

constexpr Variant kFullVariants[] = {
    {"clip_base32", "clip --shapes base32 --dtype F16", "clip"},
    {"clip_tiny16", "clip --shapes tiny16 --dtype F16", "clip"},
    {"clip_large14_336", "clip --shapes large14-336 --dtype F16", "clip"},
    {"clip_huge14", "clip --shapes huge14 --dtype F16 --set activation=gelu",
     "clip"},
    {"openclip_base32", "openclip --shapes base32 --dtype F16", "openclip"},
    {"openclip_bigg14", "openclip --shapes bigg14 --dtype F16", "openclip"},
    {"openclip_xlm_roberta_base32",
     "openclip-xlm-roberta --shapes base32 --dtype F16", "openclip"},
    {"sentence_clip_base32", "sentence-clip --shapes base32 --dtype F16",
     "clip"},
    {"metaclip_2_base32_384", "metaclip-2 --shapes base32-384 --dtype F16",
     "metaclip-2"},
    {"chinese_clip_base16", "chinese-clip --shapes base16 --dtype F16",
     "chinese-clip"},
    {"siglip_base16", "siglip --shapes base16 --dtype F16", "siglip"},
    {"siglip_so400m14_384",
     "siglip --shapes so400m14-384 --dtype F16 --set pad=0", "siglip"},
    {"pair_base32", "pair --shapes base32 --dtype F16", "clip+distilbert"},
    {"bert_minilm", "sentence-bert --shapes minilm --dtype F16", "bert"},
    {"bert_base_cls",
     "sentence-bert --shapes base --dtype F16 --set pooling=cls", "bert"},
    {"xlm_roberta_base",
     "sentence-roberta --shapes base --dtype F16 --set type=xlm-roberta",
     "xlm-roberta"},
};

bool Full() {
  const char* const wanted = std::getenv("DIPTYCH_PARITY");
  return wanted != nullptr && std::string(wanted) == "full";
}

std::vector<Variant> Variants() {
  return Full()
             ? std::vector<Variant>(std::begin(kFullVariants),
                                    std::end(kFullVariants))
             : std::vector<Variant>(std::begin(kVariants), std::end(kVariants));
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class ParityTest : public ::testing::TestWithParam<Variant> {
 protected:
  // All models in one run of Python; whole ones would not fit on a disk
  // together, and are made one by one.
  static void SetUpTestSuite() {
    have_torch_ =
        std::system(
            absl::StrCat(kPython, " -c 'import torch' 2>/dev/null").c_str()) ==
        0;
    if (!have_torch_) return;
    directory_ = new TempDirectory;
    if (!Full()) Make(Variants());
  }
  static void TearDownTestSuite() { delete directory_; }

  static fs::path FolderOf(const Variant& variant) {
    return directory_->path() / variant.name;
  }

  static void Make(const std::vector<Variant>& variants) {
    std::string words;
    for (const Variant& variant : variants) {
      absl::StrAppend(&words, words.empty() ? "" : " --next ", "'",
                      FolderOf(variant).string(), "' ", variant.arguments);
    }
    const fs::path program = fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                             "tests/golden/model_reference.py";
    ASSERT_EQ(std::system(
                  absl::StrCat(kPython, " -B '", program.string(), "' ", words)
                      .c_str()),
              0);
  }

  // A directory, or the two of a pair.
  static std::string Directories(const fs::path& folder) {
    return fs::exists(folder / "image")
               ? absl::StrCat((folder / "image").string(), "+",
                              (folder / "text").string())
               : folder.string();
  }

  static std::vector<Image> ReadImages(const fs::path& folder,
                                       const Json& reference) {
    const int size = reference["image_size"];
    const std::string pixels = ReadFile(folder / "images.bin");
    std::vector<Image> images(reference["image_embeds"].size(),
                              Image(size, size));
    for (size_t i = 0; i < images.size(); ++i) {
      const size_t bytes = images[i].pixels().size();
      EXPECT_LE((i + 1) * bytes, pixels.size());
      std::copy_n(pixels.begin() + i * bytes, bytes, images[i].data());
    }
    return images;
  }

  // A directory with a WordPiece vocabulary (word w7 has id 7) is a model that
  // takes texts.
  static void ExpectLoadsWithItsWords(const fs::path& folder,
                                      const TextPart& text) {
    if (!fs::exists(fs::path(text.tokenizer_folder) / "vocab.txt")) return;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        const Model model,
        LoadModel(Directories(folder),
                  {.name = "x", .device = {DeviceRequest::Kind::kCpu, 0}}));
    EXPECT_EQ(model.info().context_length, text.tower.context_length);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const TokenIds ids,
                                 model.tokenizer->Tokenize("w7 W8, w9"));
    EXPECT_THAT(ids.ids, ::testing::ElementsAre(2, 7, 8, 1, 9, 3));
    EXPECT_THAT(model.encoder->EncodeTexts({ids}).status(), IsOk());
    EXPECT_EQ(model.image_preprocessor != nullptr, model.info().has_image);
  }

  static double Worst(const std::vector<Embedding>& rows, const Json& wanted) {
    EXPECT_EQ(rows.size(), wanted.size());
    double worst = 1;
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].size(), wanted[i].size());
      worst = std::min(worst, Cosine(rows[i], wanted[i].get<Embedding>()));
    }
    return worst;
  }

  // Of rows that were left as the towers make them.
  static void ExpectLengths(const std::vector<Embedding>& rows,
                            const Json& wanted) {
    ASSERT_EQ(rows.size(), wanted.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      double squares = 0;
      for (const float value : rows[i]) {
        squares += static_cast<double>(value) * value;
      }
      const double length = wanted[i].get<double>();
      EXPECT_NEAR(std::sqrt(squares), length, 1e-4 * length);
    }
  }

  // LibTorch's operators, as on a device, and what lower precisions may change
  // on random weights.
  static void ExpectOthersAgree(const ModelDescription& model,
                                const std::vector<TokenIds>& texts,
                                const std::vector<Embedding>& wanted) {
    struct Other {
      Precision precision;
      bool library_operators;
      double cosine_min;
    };
    for (const Other& other : {Other{Precision::kFloat32, true, 0.999999},
                               Other{Precision::kBfloat16, false, 0.9995},
                               Other{Precision::kInt8, false, 0.995}}) {
      if (!HasPrecision(BestKernelLevel(), other.precision)) continue;
      TowerEncoderOptions options;
      options.device.kind = DeviceRequest::Kind::kCpu;
      options.precision = other.precision;
      options.library_operators = other.library_operators;
      DIPTYCH_ASSERT_OK_AND_ASSIGN(
          const auto encoder, LoadTowerEncoder(model, options, ModelInfo()));
      EXPECT_EQ(encoder->info().dtype, PrecisionName(other.precision));
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto rows,
                                   encoder->EncodeTexts(texts));
      double worst = 1;
      for (size_t i = 0; i < rows.size(); ++i) {
        worst = std::min(worst, Cosine(rows[i], wanted[i]));
      }
      EXPECT_GE(worst, other.cosine_min) << PrecisionName(other.precision);
      std::cout << ", " << 1 - worst << " in "
                << (other.library_operators ? "LibTorch's " : "kernels' ")
                << PrecisionName(other.precision);
    }
  }

  static inline bool have_torch_ = false;
  static inline TempDirectory* directory_ = nullptr;
};

TEST_P(ParityTest, EmbeddingsAreThoseOfThePlainForwardPass) {
  if (!have_torch_) GTEST_SKIP() << "Debian's python3-torch is not installed";
  if (Full()) Make({GetParam()});
  const fs::path folder = FolderOf(GetParam());
  const Json reference = Json::parse(ReadFile(folder / "reference.json"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(ModelDescription model,
                               DescribeModel(Directories(folder)));
  EXPECT_EQ(model.family, GetParam().family);
  // Sizes that a name in the configuration stands for are smaller here.
  const Json& overrides = reference["overrides"];
  if (!overrides.empty()) {
    model.text->tower.transformer.layers = overrides["layers"];
    model.text->tower.vocabulary_size = overrides["vocabulary"];
  }
  ModelInfo info;
  info.normalizes_texts = false;
  info.normalizes_images = false;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto encoder,
      LoadTowerEncoder(model, {{DeviceRequest::Kind::kCpu, 0}, 0, {}}, info));

  std::vector<TokenIds> texts;
  for (const Json& ids : reference["texts"]) {
    texts.push_back({ids.get<std::vector<int32_t>>(), false});
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text_rows,
                               encoder->EncodeTexts(texts));
  const double worst_text = Worst(text_rows, reference["text_embeds"]);
  std::cout << GetParam().name << ": 1 - cosine at worst " << 1 - worst_text
            << " of texts";
  EXPECT_GE(worst_text, 0.999999);
  ExpectLengths(text_rows, reference["text_lengths"]);
  // The inputs are told apart, so the comparison can fail.
  EXPECT_LT(Cosine(text_rows[0], text_rows[4]), 0.99);
  EXPECT_EQ(encoder->info().has_image, reference.contains("image_embeds"));
  if (encoder->info().has_image) {
    const std::vector<Image> images = ReadImages(folder, reference);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                                 encoder->EncodeImages(images));
    const double worst_image = Worst(image_rows, reference["image_embeds"]);
    std::cout << ", " << 1 - worst_image << " of images";
    EXPECT_GE(worst_image, 0.999999);
    ExpectLengths(image_rows, reference["image_lengths"]);
    EXPECT_LT(Cosine(image_rows[0], image_rows[2]), 0.99);
  } else {
    EXPECT_THAT(encoder->EncodeImages({Image(8, 8)}).status(),
                StatusIs(absl::StatusCode::kUnimplemented));
  }
  ExpectOthersAgree(model, texts, text_rows);
  std::cout << "\n";
  ExpectLoadsWithItsWords(folder, *model.text);
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Families, ParityTest, ::testing::ValuesIn(Variants()),
                         [](const auto& variant) {
                           return std::string(variant.param.name);
                         });

}  // namespace
}  // namespace diptych::inference
