#include "common/image/image_header.h"

#include <string>

#include "absl/strings/escaping.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

void ExpectHeader(absl::string_view hex, ImageFormat format, int64_t width,
                  int64_t height) {
  const std::string bytes = absl::HexStringToBytes(hex);
  const auto header = ReadImageHeader(bytes);
  ASSERT_THAT(header, IsOk()) << ImageFormatName(format);
  EXPECT_EQ(header->format, format);
  EXPECT_EQ(header->width, width);
  EXPECT_EQ(header->height, height);
  // Whatever is cut off the end, nothing outside the bytes is read.
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);
    EXPECT_FALSE(ReadImageHeader(cut).ok()) << length << " bytes";
  }
}

TEST(ImageHeaderTest, JpegSizeIsReadBehindOtherSegments) {
  // SOI, APP0 of 4 bytes, a fill byte, SOF2 of 0x0123 rows and 0x0456 columns.
  ExpectHeader(
      "ffd8"
      "ffe000040000"
      "ff"
      "ffc2000b0801230456",
      ImageFormat::kJpeg, 0x456, 0x123);
}

TEST(ImageHeaderTest, PngSizeIsRead) {
  ExpectHeader(
      "89504e470d0a1a0a"
      "0000000d"
      "49484452"
      "00000102"
      "00000304",
      ImageFormat::kPng, 0x102, 0x304);
}

TEST(ImageHeaderTest, WebpSizesAreRead) {
  ExpectHeader(
      "52494646ffffffff57454250"
      "56503820"
      "00000000"
      "000000"
      "9d012a"
      "40018000",
      ImageFormat::kWebp, 320, 128);
  ExpectHeader(
      "52494646ffffffff57454250"
      "56503858"
      "0a000000"
      "10000000"
      "ff0000"
      "010100",
      ImageFormat::kWebp, 256, 258);
  ExpectHeader(
      "52494646ffffffff57454250"
      "5650384c"
      "00000000"
      "2f"
      "c7c01800"
      "0000000000",
      ImageFormat::kWebp, 200, 100);
}

TEST(ImageHeaderTest, BmpOfNegativeHeightGoesFromTopToBottom) {
  ExpectHeader(
      "424d"
      "000000000000000000000000"
      "28000000"
      "05000000"
      "fdffffff",
      ImageFormat::kBmp, 5, 3);
}

TEST(ImageHeaderTest, TiffOfBothByteOrdersIsRead) {
  ExpectHeader(
      "49492a0008000000"
      "0200"
      "000103000100000007000000"
      "010104000100000009000000",
      ImageFormat::kTiff, 7, 9);
  ExpectHeader(
      "4d4d002a00000008"
      "0002"
      "010000030000000100070000"
      "010100040000000100000009",
      ImageFormat::kTiff, 7, 9);
}

TEST(ImageHeaderTest, TiffThatSaysItsWidthTwiceIsRefused) {
  EXPECT_THAT(
      ReadImageHeader(absl::HexStringToBytes("49492a0008000000"
                                             "0300"
                                             "000103000100000007000000"
                                             "000103000100000008000000"
                                             "010104000100000009000000")),
      StatusIs(absl::StatusCode::kInvalidArgument,
               ::testing::HasSubstr("TIFF image is malformed")));
}

TEST(ImageHeaderTest, GifSizeHoldsScreenAndFirstFrame) {
  // A comment, and a frame of 3 x 4 at (8, 2) of a screen of 10 x 20.
  ExpectHeader(
      "474946383961"
      "0a001400000000"
      "21fe016100"
      "2c0800020003000400",
      ImageFormat::kGif, 11, 20);
  // A palette of two colours before a frame of 30 x 4.
  ExpectHeader(
      "474946383961"
      "0a001400800000"
      "000000ffffff"
      "2c000000001e000400",
      ImageFormat::kGif, 30, 20);
}

TEST(ImageHeaderTest, NoPixelsIsMalformed) {
  EXPECT_THAT(ReadImageHeader(absl::HexStringToBytes(
                  "89504e470d0a1a0a0000000d494844520000000000000304")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("PNG image is malformed")));
}

}  // namespace
}  // namespace diptych
