#include "common/image/exif_orientation.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace diptych {
namespace {

std::string Jpeg(const std::string& exif) {
  const size_t length = 2 + 6 + exif.size();
  return std::string("\xff\xd8\xff\xe1") + static_cast<char>(length >> 8) +
         static_cast<char>(length & 0xff) + std::string("Exif\0\0", 6) + exif +
         "\xff\xd9";
}

std::string Exif(char orientation) {
  return std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) +
         orientation + std::string(6, '\0');
}

TEST(ExifOrientationTest, IsReadFromAJpeg) {
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(6)), ImageFormat::kJpeg), 6);
  EXPECT_EQ(ReadOrientation("\xff\xd8\xff\xd9", ImageFormat::kJpeg), 1);
}

TEST(ExifOrientationTest, WhatIsNoOrientationMeansUpright) {
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(0)), ImageFormat::kJpeg), 1);
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(9)), ImageFormat::kJpeg), 1);
  const std::string whole = Jpeg(Exif(6));
  for (size_t length = 0; length < whole.size() - 8; ++length) {
    EXPECT_EQ(ReadOrientation(whole.substr(0, length), ImageFormat::kJpeg), 1)
        << length;
  }
}

// The values of a picture of 3 x 2 pixels, one per pixel, made upright.
std::string Upright(int orientation) {
  std::string stored, pixels(18, '\0'), values;
  for (const char value : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    stored.append(3, value);
  }
  CopyUpright(reinterpret_cast<const uint8_t*>(stored.data()), 3, 2,
              orientation, reinterpret_cast<uint8_t*>(pixels.data()));
  for (size_t i = 0; i < pixels.size(); i += 3) values += pixels[i];
  return values;
}

TEST(ExifOrientationTest, EachOfTheEightIsUndone) {
  EXPECT_EQ(Upright(1), "abcdef");
  EXPECT_EQ(Upright(2), "cbafed");
  EXPECT_EQ(Upright(3), "fedcba");
  EXPECT_EQ(Upright(4), "defabc");
  EXPECT_EQ(Upright(5), "adbecf");
  EXPECT_EQ(Upright(6), "daebfc");
  EXPECT_EQ(Upright(7), "fcebda");
  EXPECT_EQ(Upright(8), "cfbead");
  EXPECT_EQ(Upright(0), "abcdef");
  EXPECT_EQ(Upright(9), "abcdef");
  for (int orientation = 0; orientation < 10; ++orientation) {
    EXPECT_EQ(SwapsSides(orientation), orientation >= 5 && orientation <= 8);
  }
}

}  // namespace
}  // namespace diptych
