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

TEST(OrientationTest, SidesAreSwappedWithTheQuarterTurns) {
  const Image stored = Make(3, 2, "abcdef");
  EXPECT_EQ(Upright(stored, 1), stored);
  EXPECT_EQ(Upright(stored, 3), Make(3, 2, "fedcba"));
  EXPECT_EQ(Upright(stored, 6), Make(2, 3, "daebfc"));
  EXPECT_EQ(Upright(stored, 9), stored);
}

}  // namespace
}  // namespace diptych::inference
