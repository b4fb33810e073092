#include "inference/image/image_decoder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/image/image_header.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

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
      // The first frame of several may be whole in it.
      if (absl::StrContains(file.name, "gif_") && length > size / 10) break;
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

TEST(ImageDecoderTest, GifWithoutAFrameIsRefused) {
  EXPECT_THAT(DecodeImage(absl::string_view("GIF89a\x01\0\x01\0\0\0\0;", 14)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("GIF image is malformed")));
}

TEST(ImageDecoderTest, GifFrameBeyondTheScreenCountsAgainstTheLimit) {
  // A screen of 1 x 1 and a frame of 65535 x 65535.
  EXPECT_THAT(
      DecodeImage(absl::string_view(
          "GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0", 23)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more pixels")));
}

TEST(ImageDecoderTest, OrientationIsAppliedWhenAskedFor) {
  const std::string bytes = PictureNamed("jpeg_rotated");
  const auto header = ReadImageHeader(bytes);
  const auto stored = DecodeImage(bytes);
  const auto upright = DecodeImage(bytes, {}, {.exif_orientation = true});
  ASSERT_THAT(header, IsOk());
  ASSERT_THAT(stored, IsOk());
  ASSERT_THAT(upright, IsOk());
  EXPECT_EQ(stored->width(), header->width);
  EXPECT_NE(*stored, *upright);
}

// Found by ImageMutationTest: alpha was looked for behind the last sample.
TEST(ImageDecoderTest, TiffWhoseThirdSampleIsItsAlphaIsRefused) {
  std::string bytes = PictureNamed("tiff_premultiplied");
  // The tag "samples per pixel" (277), of type LONG, one value: 4.
  const std::string four("\x15\x01\x04\0\x01\0\0\0\x04", 9);
  const size_t at = bytes.find(four);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 8] = 3;
  EXPECT_THAT(DecodeImage(bytes), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("premultiplied")));
}

TEST(ImageDecoderTest, NothingIsPrintedAboutDamagedPictures) {
  for (const char* kind : {"png_rgb_", "jpeg_420_61", "tiff_rgb_lzw",
                           "webp_lossy", "gif_palette", "bmp_rle"}) {
    std::string bytes = PictureNamed(kind);
    for (size_t at = bytes.size() / 2; at < bytes.size(); at += 7) {
      bytes[at] ^= 0x55;
    }
    ::testing::internal::CaptureStderr();
    (void)DecodeImage(bytes);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << kind;
  }
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
  for (const char* kind :
       {"jpeg_420_61", "png_palette_", "webp_lossy", "webp_lossless",
        "webp_animated_inset", "bmp_palette", "bmp_rle", "bmp_565",
        "tiff_rgb_lzw", "tiff_tiled", "gif_inset_transparent"}) {
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
