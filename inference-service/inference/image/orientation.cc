#include "inference/image/orientation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace diptych::inference {

Image Upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // From a pixel of the result to the stored one: first swapped, then mirrored.
  const bool swapped = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 ||
                          orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 ||
                           orientation == 6 || orientation == 7;
  Image upright(swapped ? image.height() : image.width(),
                swapped ? image.width() : image.height());
  for (int y = 0; y < upright.height(); ++y) {
    uint8_t* to = upright.row(y);
    for (int x = 0; x < upright.width(); ++x, to += Image::kChannels) {
      int column = swapped ? y : x;
      int row = swapped ? x : y;
      if (from_right) column = image.width() - 1 - column;
      if (from_bottom) row = image.height() - 1 - row;
      const uint8_t* const from = image.row(row) + Image::kChannels * column;
      std::copy(from, from + Image::kChannels, to);
    }
  }
  return upright;
}

}  // namespace diptych::inference
