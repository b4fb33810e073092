#include "inference/image/clip_preprocessor.h"

#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

PreprocessorConfig CropOnly(int size) {
  PreprocessorConfig config;
  config.resize = false;
  config.crop_width = config.crop_height = size;
  return config;
}

TEST(ClipPreprocessorTest, SmallPictureIsPaddedWithBlackAroundItsCentre) {
  Image image(3, 1);
  for (int i = 0; i < 9; ++i) image.data()[i] = static_cast<uint8_t>(i + 1);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Image result,
                               ClipPreprocessor(CropOnly(4)).Preprocess(image));
  ASSERT_EQ(result.width(), 4);
  ASSERT_EQ(result.height(), 4);
  // floor((1 - 4) / 2) = -2 and floor((3 - 4) / 2) = -1.
  EXPECT_EQ(result.row(2)[3], 1);
  EXPECT_EQ(result.row(2)[11], 9);
  EXPECT_EQ(result.row(2)[0], 0);
  EXPECT_EQ(result.row(1)[3], 0);
}

// torchvision's int(round((size - crop) / 2.0)).
TEST(ClipPreprocessorTest, HalfAPixelGoesToTheEvenSideWhereTorchvisionCrops) {
  for (const auto& [width, first] : {std::pair{5, 0}, {7, 2}, {9, 2}}) {
    Image image(width, 4);
    for (int x = 0; x < width; ++x) {
      for (int y = 0; y < 4; ++y) {
        image.row(y)[x * Image::kChannels] = static_cast<uint8_t>(x);
      }
    }
    PreprocessorConfig config = CropOnly(4);
    config.crop_rounding = CropRounding::kHalfToEven;
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const Image result,
                                 ClipPreprocessor(config).Preprocess(image));
    EXPECT_EQ(result.row(0)[0], first) << width;
  }
}

TEST(ClipPreprocessorTest, PictureOfTheModelsSizeStaysAsItIs) {
  PreprocessorConfig config;
  config.shortest_edge = config.crop_width = config.crop_height = 8;
  Image image(8, 8);
  for (size_t i = 0; i < image.pixels().size(); ++i) {
    image.data()[i] = static_cast<uint8_t>(i);
  }
  EXPECT_THAT(ClipPreprocessor(config).Preprocess(image), IsOkAndHolds(image));
}

TEST(ClipPreprocessorTest, ThreadlikePictureIsRefused) {
  EXPECT_THAT(
      ClipPreprocessor(PreprocessorConfig()).Preprocess(Image(1, 80000)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               ::testing::HasSubstr("too long and narrow")));
}

TEST(ClipPreprocessorTest, NoPixelsIsRefused) {
  EXPECT_THAT(ClipPreprocessor(PreprocessorConfig()).Preprocess(Image()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("no pixels")));
}

}  // namespace
}  // namespace diptych::inference
