#include "storage/thumbnail/thumbnail_encoder.h"

#include <algorithm>
#include <string>

#include "common/image/exif_orientation.h"
#include "common/image/image_header.h"
#include "common/testing/status_matchers.h"
#include "storage/thumbnail/jpeg_codec.h"
#include "storage/thumbnail/testing_pictures.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> Make(absl::string_view image, int pixels) {
  return MakeThumbnail(image, pixels, {});
}

// Red, green and blue of the middle, which JPEG changes a little.
void ExpectMiddle(const absl::StatusOr<std::string>& thumbnail, int red,
                  int green, int blue) {
  ASSERT_THAT(thumbnail, IsOk());
  const auto picture = DecodeJpegSmall(*thumbnail, 1 << 20);
  ASSERT_THAT(picture, IsOk());
  const uint8_t* pixel =
      picture->row(picture->height / 2) + size_t{3} * (picture->width / 2);
  EXPECT_NEAR(pixel[0], red, 4);
  EXPECT_NEAR(pixel[1], green, 4);
  EXPECT_NEAR(pixel[2], blue, 4);
}

TEST(ThumbnailEncoderTest, EveryKindIsShrunkToAJpegOfItsShape) {
  for (const char* name : {"jpeg_420_61x83",
                           "jpeg_progressive",
                           "jpeg_grey",
                           "jpeg_cmyk",
                           "png_rgb_75x56",
                           "png_grey_82x83",
                           "png_bilevel",
                           "png_rgba_61x65",
                           "png_grey_alpha_68x56",
                           "png_palette_75x83",
                           "png_palette_alpha",
                           "png_grey_16_bits",
                           "png_grey_alpha_16",
                           "png_rgb_16",
                           "png_rgba_16",
                           "png_interlaced_61x83",
                           "png_interlaced_16",
                           "png_gamma",
                           "png_rgb_transparent",
                           "png_grey_transparent",
                           "webp_lossy",
                           "webp_lossless",
                           "webp_alpha",
                           "jpeg_420_1x1",
                           "jpeg_420_3x200",
                           "jpeg_420_211x2"}) {
    const std::string picture = CommittedPicture(name);
    const auto before = ReadImageHeader(picture);
    ASSERT_THAT(before, IsOk()) << name;
    for (const int pixels : {16, 64, 1024}) {
      const auto thumbnail = Make(picture, pixels);
      ASSERT_THAT(thumbnail, IsOk()) << name;
      const auto after = ReadImageHeader(*thumbnail);
      ASSERT_THAT(after, IsOk()) << name;
      EXPECT_EQ(after->format, ImageFormat::kJpeg);
      EXPECT_LE(std::max(after->width, after->height), pixels) << name;
      const double longer =
          static_cast<double>(std::max(before->width, before->height));
      const double scale = std::min(1.0, pixels / longer);
      EXPECT_NEAR(after->width, std::max(1.0, before->width * scale), 1.01)
          << name;
      EXPECT_NEAR(after->height, std::max(1.0, before->height * scale), 1.01)
          << name;
    }
  }
}

TEST(ThumbnailEncoderTest, AnOrientationIsApplied) {
  for (const char* name : {"jpeg_rotated", "webp_rotated"}) {
    const std::string picture = CommittedPicture(name);
    const auto before = ReadImageHeader(picture);
    ASSERT_THAT(before, IsOk());
    // By a quarter: the sides change places.
    ASSERT_GE(ReadOrientation(picture, before->format), 5) << name;
    const auto thumbnail = Make(picture, 1024);
    ASSERT_THAT(thumbnail, IsOk());
    const auto after = ReadImageHeader(*thumbnail);
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ(after->width, before->height) << name;
    EXPECT_EQ(after->height, before->width) << name;
  }
}

TEST(ThumbnailEncoderTest, WhatIsTransparentLiesOnWhite) {
  ExpectMiddle(Make(PngOf(200, 100, {255, 0, 0, 0}), 50), 255, 255, 255);
  ExpectMiddle(Make(PngOf(200, 100, {0, 0, 255, 255}), 50), 0, 0, 255);
}

TEST(ThumbnailEncoderTest, ColoursStayWhatTheyAre) {
  ExpectMiddle(Make(PngOf(200, 300, {50, 100, 200}), 40), 50, 100, 200);
  Picture large(4096, 2048);
  for (size_t i = 0; i < large.rgb.size(); i += 3) {
    large.rgb[i] = 30;
    large.rgb[i + 1] = 200;
    large.rgb[i + 2] = 10;
  }
  const auto jpeg = EncodeJpeg(large);
  ASSERT_THAT(jpeg, IsOk());
  for (const int pixels : {16, 512, 1024}) {
    const auto thumbnail = Make(*jpeg, pixels);
    ExpectMiddle(thumbnail, 30, 200, 10);
    EXPECT_EQ(ReadImageHeader(*thumbnail)->width, pixels);
    EXPECT_EQ(ReadImageHeader(*thumbnail)->height, pixels / 2);
  }
}

TEST(ThumbnailEncoderTest, AJpegIsDecodedNoLargerThanNeeded) {
  const auto jpeg = EncodeJpeg(Picture(2048, 1024));
  ASSERT_THAT(jpeg, IsOk());
  EXPECT_EQ(DecodeJpegSmall(*jpeg, 16)->width, 256);
  EXPECT_EQ(DecodeJpegSmall(*jpeg, 256)->width, 256);
  EXPECT_EQ(DecodeJpegSmall(*jpeg, 257)->width, 512);
  EXPECT_EQ(DecodeJpegSmall(*jpeg, 1024)->width, 1024);
  EXPECT_EQ(DecodeJpegSmall(*jpeg, 1025)->width, 2048);
}

TEST(ThumbnailEncoderTest, LimitsAreReadFromTheHeader) {
  // A signature and an IHDR of 100,000 x 100,000, and nothing to decode.
  const std::string png("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0",
                        24);
  EXPECT_THAT(Make(png, 64), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("100000x100000")));
  const std::string picture = PngOf(40, 40, {1, 2, 3});
  EXPECT_THAT(MakeThumbnail(picture, 64, {.image_pixels_max = 1599}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(MakeThumbnail(picture, 64, {.image_pixels_max = 1600}), IsOk());
  EXPECT_THAT(
      MakeThumbnail(picture, 64, {.image_bytes_max = picture.size() - 1}),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ThumbnailEncoderTest, WhatCannotBeDecodedIsRefused) {
  const std::string png = CommittedPicture("png_rgb_75x56");
  const std::string webp = CommittedPicture("webp_lossy");
  const std::string jpeg = CommittedPicture("jpeg_420_61x83");
  for (const std::string& bytes :
       {std::string(), std::string("text"), png.substr(0, 40),
        png.substr(0, png.size() / 2), webp.substr(0, webp.size() / 2),
        jpeg.substr(0, 30), CommittedPicture("webp_animated_44x23"),
        CommittedPicture("bmp_rgb"), CommittedPicture("gif_palette")}) {
    EXPECT_THAT(Make(bytes, 64), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(ThumbnailEncoderTest, NoByteOfAPictureCanDoHarm) {
  for (const char* name : {"jpeg_420_61x83", "jpeg_cmyk", "jpeg_progressive",
                           "png_palette_alpha", "webp_lossy", "webp_alpha"}) {
    const std::string picture = CommittedPicture(name);
    for (size_t at = 0; at < picture.size(); at += 29) {
      std::string changed = picture;
      changed[at] = static_cast<char>(~changed[at]);
      const auto thumbnail = MakeThumbnail(changed, 32, {10'000, 100'000});
      if (thumbnail.ok()) {
        EXPECT_THAT(ReadImageHeader(*thumbnail), IsOk());
      }
    }
  }
}

}  // namespace
}  // namespace diptych::storage
