#include "storage/thumbnail/picture.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

// One pixel per value, in rows; the value is in all channels.
Picture Make(int width, int height, const std::string& values) {
  Picture picture(width, height);
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t channel = 0; channel < 3; ++channel) {
      picture.rgb[3 * i + channel] = static_cast<uint8_t>(values[i]);
    }
  }
  return picture;
}

void ExpectEqual(const Picture& a, const Picture& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.rgb, b.rgb);
}

TEST(PictureTest, SidesAreSwappedWithTheQuarterTurns) {
  const Picture stored = Make(3, 2, "abcdef");
  ExpectEqual(Upright(stored, 1), stored);
  ExpectEqual(Upright(stored, 3), Make(3, 2, "fedcba"));
  ExpectEqual(Upright(stored, 6), Make(2, 3, "daebfc"));
  ExpectEqual(Upright(stored, 9), stored);
}

TEST(PictureTest, EachPixelIsTheMeanOfWhatItCovers) {
  ExpectEqual(Shrink(Make(4, 2, {10, 20, 30, 40, 50, 60, 70, 80}), 2),
              Make(2, 1, {35, 55}));
  // 1.5 pixels each: (10 + 20 / 2) / 1.5 and (20 / 2 + 40) / 1.5.
  ExpectEqual(Shrink(Make(3, 1, {10, 20, 40}), 2), Make(2, 1, {13, 33}));
}

TEST(PictureTest, NothingIsEnlargedAndNoSideVanishes) {
  ExpectEqual(Shrink(Make(2, 1, "ab"), 2), Make(2, 1, "ab"));
  const Picture flat = Shrink(Picture(1000, 2), 16);
  EXPECT_EQ(flat.width, 16);
  EXPECT_EQ(flat.height, 1);
}

}  // namespace
}  // namespace diptych::storage
