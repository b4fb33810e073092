#include "inference/image/orientation.h"

#include <string>

#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

// One pixel per value, in rows; the value is in all channels.
Image Make(int width, int height, const std::string& values) {
  Image image(width, height);
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t channel = 0; channel < 3; ++channel) {
      image.data()[3 * i + channel] = static_cast<uint8_t>(values[i]);
    }
  }
  return image;
}

TEST(OrientationTest, EachOfTheEightIsUndone) {
  const Image stored = Make(3, 2, "abcdef");
  EXPECT_EQ(Upright(stored, 1), stored);
  EXPECT_EQ(Upright(stored, 2), Make(3, 2, "cbafed"));
  EXPECT_EQ(Upright(stored, 3), Make(3, 2, "fedcba"));
  EXPECT_EQ(Upright(stored, 4), Make(3, 2, "defabc"));
  EXPECT_EQ(Upright(stored, 5), Make(2, 3, "adbecf"));
  EXPECT_EQ(Upright(stored, 6), Make(2, 3, "daebfc"));
  EXPECT_EQ(Upright(stored, 7), Make(2, 3, "fcebda"));
  EXPECT_EQ(Upright(stored, 8), Make(2, 3, "cfbead"));
  EXPECT_EQ(Upright(stored, 0), stored);
  EXPECT_EQ(Upright(stored, 9), stored);
}

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

TEST(OrientationTest, IsReadFromAJpeg) {
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(6)), ImageFormat::kJpeg), 6);
  EXPECT_EQ(ReadOrientation("\xff\xd8\xff\xd9", ImageFormat::kJpeg), 1);
}

TEST(OrientationTest, WhatIsNoOrientationMeansUpright) {
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(0)), ImageFormat::kJpeg), 1);
  EXPECT_EQ(ReadOrientation(Jpeg(Exif(9)), ImageFormat::kJpeg), 1);
  const std::string whole = Jpeg(Exif(6));
  for (size_t length = 0; length < whole.size() - 8; ++length) {
    EXPECT_EQ(ReadOrientation(whole.substr(0, length), ImageFormat::kJpeg), 1)
        << length;
  }
}

}  // namespace
}  // namespace diptych::inference
