// Decoding and preprocessing against Pillow, byte for byte: the committed
// golden values, pictures of random kinds and sizes drawn now, and outside
// photographs.
#include <openssl/sha.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gtest/gtest.h"
#include "inference/image/clip_preprocessor.h"
#include "inference/image/image_decoder.h"
#include "inference/image/preprocessor_config.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Debian's interpreter: its Pillow is the one that the golden values name.
constexpr char kPython[] = "/usr/bin/python3";

// AddressSanitizer makes each take half a second.
#ifdef __SANITIZE_ADDRESS__
constexpr int kRandomPictures = 60;
#else
constexpr int kRandomPictures = 240;
#endif

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string Digest(const Image& image) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(image.data(), image.pixels().size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<char*>(digest), sizeof(digest)));
}

fs::path SourceDirectory() { return std::getenv("DIPTYCH_SOURCE_DIR"); }

bool PillowIsThere() {
  return std::system(
             absl::StrCat(kPython, " -c 'import numpy, PIL' 2>/dev/null")
                 .c_str()) == 0;
}

// Runs tests/golden/image_golden.py; its mode and arguments follow.
void MakeGolden(const std::string& arguments) {
  const fs::path program = SourceDirectory() / "tests/golden/image_golden.py";
  ASSERT_EQ(std::system(absl::StrCat(kPython, " -B -W ignore '",
                                     program.string(), "' ", arguments)
                            .c_str()),
            0);
}

// Compares every case of `golden_file`, whose pictures lie in `pictures`.
void ExpectEqualToPillow(const fs::path& golden_file,
                         const fs::path& pictures) {
  const Json golden = Json::parse(ReadFile(golden_file));
  std::map<std::string, ClipPreprocessor> preprocessors;
  for (const auto& [name, json] : golden["processors"].items()) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto config,
                                 ParsePreprocessorConfig(json.dump()));
    preprocessors.emplace(name, config);
  }
  ASSERT_FALSE(preprocessors.empty());
  ASSERT_FALSE(golden["cases"].empty());
  for (const Json& expected : golden["cases"]) {
    const std::string file = expected["file"];
    const auto image = DecodeImage(ReadFile(pictures / file));
    EXPECT_THAT(image, IsOk()) << file;
    if (!image.ok()) continue;
    EXPECT_EQ(image->width(), expected["width"]) << file;
    EXPECT_EQ(image->height(), expected["height"]) << file;
    EXPECT_EQ(Digest(*image), expected["decoded"]) << file << " decoded";
    const auto upright =
        DecodeImage(ReadFile(pictures / file), {}, {.exif_orientation = true});
    EXPECT_THAT(upright, IsOk()) << file;
    if (upright.ok()) {
      EXPECT_EQ(Digest(*upright), expected["upright"]) << file << " upright";
    }
    for (const auto& [name, preprocessor] : preprocessors) {
      const auto preprocessed = preprocessor.Preprocess(*image);
      ASSERT_THAT(preprocessed, IsOk()) << file << " " << name;
      EXPECT_EQ(Digest(*preprocessed), expected["preprocessed"][name])
          << file << " preprocessed by " << name;
    }
  }
}

TEST(ImageGoldenTest, CommittedPicturesAreEqualToPillow) {
  const fs::path directory =
      SourceDirectory() / "inference-service/inference/image/testdata";
  ExpectEqualToPillow(directory / "golden.json", directory);
}

TEST(ImageGoldenTest, RandomPicturesAreEqualToPillow) {
  if (!PillowIsThere()) {
    GTEST_SKIP() << "Debian's python3-pil and python3-numpy are not installed";
  }
  const TempDirectory directory;
  MakeGolden(absl::StrCat("random '", directory.path().string(), "' --count ",
                          kRandomPictures, " --seed 7"));
  ExpectEqualToPillow(directory.File("golden.json"), directory.path());
}

TEST(ImageGoldenTest, PhotographsAreEqualToPillow) {
  const char* testdata = std::getenv("DIPTYCH_TESTDATA");
  if (testdata == nullptr || !PillowIsThere()) {
    GTEST_SKIP() << "needs DIPTYCH_TESTDATA (a folder with images/) and "
                    "Debian's python3-pil";
  }
  const fs::path pictures = fs::path(testdata) / "images";
  std::string files;
  for (const auto& entry : fs::directory_iterator(pictures)) {
    absl::StrAppend(&files, " '", entry.path().string(), "'");
  }
  const TempDirectory directory;
  MakeGolden(absl::StrCat("existing '", directory.path().string(), "'", files));
  ExpectEqualToPillow(directory.File("golden.json"), pictures);
}

}  // namespace
}  // namespace diptych::inference
