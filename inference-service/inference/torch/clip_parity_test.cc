// The encoder against an independent forward pass in Python
// (tests/golden/clip_reference.py) on random weights.
#include <algorithm>
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
#include "gtest/gtest.h"
#include "inference/model/cosine.h"
#include "inference/model/model_directory.h"
#include "inference/torch/clip_encoder.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kPython[] = "/usr/bin/python3";

struct Variant {
  std::string name;
  // Of clip_reference.py.
  std::string arguments;
};

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class ClipParityTest : public ::testing::TestWithParam<Variant> {};

TEST_P(ClipParityTest, EmbeddingsAreThoseOfThePlainForwardPass) {
  if (std::system(
          absl::StrCat(kPython, " -c 'import torch' 2>/dev/null").c_str()) !=
      0) {
    GTEST_SKIP() << "Debian's python3-torch is not installed";
  }
  const TempDirectory directory;
  const fs::path program = fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                           "tests/golden/clip_reference.py";
  ASSERT_EQ(std::system(absl::StrCat(kPython, " '", program.string(), "' '",
                                     directory.path().string(), "' ",
                                     GetParam().arguments)
                            .c_str()),
            0);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto files,
                               ReadModelDirectory(directory.path().string()));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                               ParseClipConfig(files.config));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto weights,
                               Weights::Open(files.weight_files));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto encoder,
      LoadClipEncoder(config, PreprocessorConfig(), weights,
                      {{DeviceRequest::Kind::kCpu, 0}, 0}, ModelInfo()));

  const Json reference =
      Json::parse(ReadFile(directory.File("reference.json")));
  std::vector<TokenIds> texts;
  for (const Json& ids : reference["texts"]) {
    texts.push_back({ids.get<std::vector<int32_t>>(), false});
  }
  const int size = reference["image_size"];
  const std::string pixels = ReadFile(directory.File("images.bin"));
  std::vector<Image> images(reference["image_embeds"].size(),
                            Image(size, size));
  for (size_t i = 0; i < images.size(); ++i) {
    const size_t bytes = images[i].pixels().size();
    ASSERT_LE((i + 1) * bytes, pixels.size());
    std::copy_n(pixels.begin() + i * bytes, bytes, images[i].data());
  }

  double worst_text = 1;
  double worst_image = 1;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text_rows,
                               encoder->EncodeTexts(texts));
  for (size_t i = 0; i < texts.size(); ++i) {
    worst_text = std::min(
        worst_text,
        Cosine(text_rows[i], reference["text_embeds"][i].get<Embedding>()));
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                               encoder->EncodeImages(images));
  for (size_t i = 0; i < images.size(); ++i) {
    worst_image = std::min(
        worst_image,
        Cosine(image_rows[i], reference["image_embeds"][i].get<Embedding>()));
  }
  std::cout << GetParam().name << ": 1 - cosine at worst " << 1 - worst_text
            << " of texts, " << 1 - worst_image << " of images\n";
  EXPECT_GE(worst_text, 0.99999);
  EXPECT_GE(worst_image, 0.99999);
  // The inputs are told apart, so the comparison can fail.
  EXPECT_LT(Cosine(text_rows[1], text_rows[2]), 0.99);
  EXPECT_LT(Cosine(image_rows[0], image_rows[2]), 0.99);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ClipParityTest,
    ::testing::Values(
        Variant{"demo_f32", "--shapes demo"},
        Variant{"demo_f16_gelu", "--shapes demo --dtype F16 --activation gelu"},
        Variant{"demo_bf16_tanh",
                "--shapes demo --dtype BF16 --activation gelu_pytorch_tanh"},
        Variant{"demo_sharded", "--shapes demo --dtype F16 --shards 3"},
        Variant{"demo_legacy_eos", "--shapes demo --eos 2"},
        Variant{"base32_f16", "--shapes base32 --dtype F16"}),
    [](const auto& variant) { return variant.param.name; });

}  // namespace
}  // namespace diptych::inference
