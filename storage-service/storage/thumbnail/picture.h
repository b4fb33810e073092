// A small picture on its way to a thumbnail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace diptych::storage {

// 8-bit RGB, interleaved, rows from top to bottom without padding.
//
// Concurrency: a plain value. Limits: none of its own.
struct Picture {
  Picture() = default;
  Picture(int picture_width, int picture_height)
      : width(picture_width),
        height(picture_height),
        rgb(size_t{3} * picture_width * picture_height) {}

  uint8_t* row(int y) { return rgb.data() + size_t{3} * width * y; }
  const uint8_t* row(int y) const { return rgb.data() + size_t{3} * width * y; }

  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

// `picture` shrunk so that it is at most `pixels` wide and high, each of its
// pixels the mean of the area that it covers; one that fits is returned as it
// is. At least 1 pixel wide and high.
Picture Shrink(Picture picture, int pixels);

// `picture` mirrored and turned as EXIF's orientation (CIPA DC-008, chapter
// 4.6) asks: 1 to 8, of which 1 and what is none of them change nothing.
Picture Upright(Picture picture, int orientation);

}  // namespace diptych::storage
