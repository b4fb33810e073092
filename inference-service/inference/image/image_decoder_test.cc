#include "inference/image/image_decoder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/image/image_header.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct File {
  std::string name;
  std::string bytes;
};

// The committed pictures, one or more of every format.
std::vector<File> Pictures() {
  std::vector<File> files;
  const fs::path directory = fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                             "inference-service/inference/image/testdata";
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".json") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    files.push_back({entry.path().filename().string(),
                     {std::istreambuf_iterator<char>(stream), {}}});
  }
  EXPECT_GE(files.size(), 40u);
  return files;
}

std::string PictureNamed(absl::string_view part) {
  for (const File& file : Pictures()) {
    if (absl::StrContains(file.name, part)) return file.bytes;
  }
  ADD_FAILURE() << "no picture named " << part;
  return "";
}

TEST(ImageDecoderTest, TruncatedFilesAreRefused) {
  for (const File& file : Pictures()) {
    const size_t size = file.bytes.size();
    for (const size_t length : {size_t{0}, size_t{1}, size_t{9}, size / 10,
                                size / 2, size * 9 / 10}) {
      EXPECT_THAT(DecodeImage(file.bytes.substr(0, length)),
                  StatusIs(absl::StatusCode::kInvalidArgument))
          << file.name << " cut to " << length << " of " << size << " bytes";
    }
  }
}

TEST(ImageDecoderTest, JpegWithoutItsLastByteIsRefused) {
  const std::string bytes = PictureNamed("jpeg_progressive");
  EXPECT_THAT(DecodeImage(absl::string_view(bytes).substr(0, bytes.size() - 1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("malformed or truncated")));
}

TEST(ImageDecoderTest, DamagedPngIsRefused) {
  std::string bytes = PictureNamed("png_rgb_");
  bytes[bytes.size() / 2] ^= 0x10;
  EXPECT_THAT(DecodeImage(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("PNG image is malformed")));
}

TEST(ImageDecoderTest, BombIsRefusedByItsHeader) {
  std::string bytes = PictureNamed("png_rgb_");
  // 65535 x 65535 pixels; the data behind the header is still small.
  bytes.replace(16, 8, std::string("\0\0\xff\xff\0\0\xff\xff", 8));
  EXPECT_THAT(DecodeImage(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("more pixels than the allowed 50000000"),
                             HasSubstr("65535x65535"))));
}

TEST(ImageDecoderTest, SizesWhoseProductOverflowsAreRefused) {
  std::string bytes = PictureNamed("png_rgb_");
  bytes.replace(16, 8, std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8));
  EXPECT_THAT(DecodeImage(bytes), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("more pixels")));
}

TEST(ImageDecoderTest, LimitsAreTheCallers) {
  const std::string bytes = PictureNamed("png_rgb_");
  const auto size = ReadImageHeader(bytes);
  ASSERT_THAT(size, IsOk());
  const int64_t pixels = size->width * size->height;
  EXPECT_THAT(DecodeImage(bytes, {bytes.size(), pixels}), IsOk());
  EXPECT_THAT(
      DecodeImage(bytes, {bytes.size(), pixels - 1}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more pixels")));
  EXPECT_THAT(DecodeImage(bytes, {bytes.size() - 1, pixels}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("larger than the allowed")));
}

TEST(ImageDecoderTest, GifIsNamedAndRefused) {
  EXPECT_THAT(DecodeImage(absl::string_view("GIF89a\x01\0\x01\0\0\0\0", 13)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("GIF images are not supported")));
}

TEST(ImageDecoderTest, OtherBytesAreRefused) {
  EXPECT_THAT(DecodeImage("hello"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("first bytes are 68656c6c6f")));
  EXPECT_THAT(DecodeImage(""), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("image is empty")));
}

// Every byte of the header area, one at a time, set to its complement: whatever
// comes out, nothing crashes or reads outside the bytes (see the asan preset).
TEST(ImageDecoderTest, DamagedHeadersDoNoHarm) {
  for (const char* kind : {"jpeg_420_61", "png_palette_", "webp_lossy",
                           "webp_lossless", "bmp_palette", "tiff_rgb_lzw"}) {
    const std::string bytes = PictureNamed(kind);
    for (size_t at = 0; at < 64 && at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(~damaged[at]);
      const auto image = DecodeImage(damaged, {1 << 20, 1'000'000});
      if (!image.ok()) {
        EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

}  // namespace
}  // namespace diptych::inference
