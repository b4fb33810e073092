// Pictures damaged at random: whatever comes, decoding neither crashes nor
// prints, and what is no picture any more is refused as INVALID_ARGUMENT.
//
// Operation: each of the committed pictures in turn is damaged in one of
// several ways with a fixed seed. DIPTYCH_MUTATIONS says how many there are;
// a short run unless told. Run it under the asan preset.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/byte_mutator.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/image/image_decoder.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;

constexpr int kMutations = 1'000;
// Small, so that a damaged size costs little.
constexpr ImageLimits kLimits = {1 << 20, 1'000'000};

std::vector<std::string> Pictures() {
  std::map<std::string, std::string> files;
  const fs::path directory = fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                             "inference-service/inference/image/testdata";
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".json") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {
        std::istreambuf_iterator<char>(stream), {}};
  }
  std::vector<std::string> pictures;
  for (auto& [name, bytes] : files) pictures.push_back(std::move(bytes));
  return pictures;
}

class DamagedPictures {
 public:
  explicit DamagedPictures(std::vector<std::string> pictures)
      : pictures_(std::move(pictures)) {}

  std::string Next() {
    std::string bytes = pictures_[next_++ % pictures_.size()];
    const size_t changes = 1 + mutator_.Below(4);
    for (size_t i = 0; i < changes && !bytes.empty(); ++i) Change(bytes);
    return bytes;
  }

 private:
  void Change(std::string& bytes) {
    // Half of all changes hit the headers, where the numbers are.
    const size_t at = mutator_.Below(mutator_.Below(2) == 0
                                         ? std::min<size_t>(bytes.size(), 200)
                                         : bytes.size());
    if (mutator_.Below(8) > 0) {
      mutator_.DamageAt(at, bytes);
      return;
    }
    // The end of another picture.
    const std::string& other = pictures_[mutator_.Below(pictures_.size())];
    bytes.replace(at, std::string::npos, other, std::min(at, other.size()),
                  std::string::npos);
  }

  const std::vector<std::string> pictures_;
  size_t next_ = 0;
  ByteMutator mutator_{1};
};

// Decodes so many damaged pictures.
void Decode(int mutations) {
  DamagedPictures damaged(Pictures());
  std::map<std::string, int> refusals;
  int decoded = 0;
  for (int i = 0; i < mutations; ++i) {
    const std::string bytes = damaged.Next();
    const auto image =
        DecodeImage(bytes, kLimits, {.exif_orientation = i % 2 == 0});
    if (image.ok()) {
      ++decoded;
      EXPECT_FALSE(image->empty());
      continue;
    }
    EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument)
        << image.status();
    EXPECT_LT(image.status().message().size(), 300u) << image.status();
    EXPECT_EQ(image.status().message().find('\n'), absl::string_view::npos);
    ++refusals[std::string(image.status().message().substr(0, 24))];
  }
  EXPECT_GT(decoded, 0);
  EXPECT_GT(refusals.size(), 8u);
  ::testing::Test::RecordProperty("decoded", decoded);
  ::testing::Test::RecordProperty("refused", mutations - decoded);
}

TEST(ImageMutationTest, DamagedPicturesAreDecodedOrRefused) {
  Decode(MutationCount(kMutations));
}

// By itself, because a sanitizer's report would be captured as well.
TEST(ImageMutationTest, NothingIsPrintedAboutDamagedPictures) {
  ::testing::internal::CaptureStderr();
  Decode(kMutations);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace diptych::inference
