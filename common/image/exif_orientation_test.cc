#include "common/image/exif_orientation.h"

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

}  // namespace
}  // namespace diptych
