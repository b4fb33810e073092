#include "inference/model/precision_sample.h"

#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

TEST(PrecisionSampleTest, PicturesDifferAndAreTheSameEveryTime) {
  const PrecisionSample sample = MakePrecisionSample(nullptr, 16);
  EXPECT_TRUE(sample.texts.empty());
  ASSERT_EQ(sample.images.size(), static_cast<size_t>(kSampleImages));
  EXPECT_NE(sample.images[0], sample.images[1]);
  EXPECT_EQ(sample.images, MakePrecisionSample(nullptr, 16).images);
}

}  // namespace
}  // namespace diptych::inference
