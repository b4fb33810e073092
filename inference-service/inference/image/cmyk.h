// Inks to light, as Pillow converts CMYK without a colour profile.
//
// Operation: MULDIV255 and cmyk2rgb of Pillow (src/libImaging/ImagingUtils.h,
// Convert.c). Concurrency: free functions without state. Limits: 8 bits.
#pragma once

#include <cstdint>

namespace diptych::inference {

// 0 is no ink, 255 all of it.
struct Inks {
  uint8_t cyan;
  uint8_t magenta;
  uint8_t yellow;
  uint8_t black;
};

// a * b / 255, rounded.
inline int MultiplyBy255ths(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Writes R, G and B.
inline void CmykToRgb(const Inks& inks, uint8_t* rgb) {
  const int not_black = 255 - inks.black;
  rgb[0] =
      static_cast<uint8_t>(not_black - MultiplyBy255ths(inks.cyan, not_black));
  rgb[1] = static_cast<uint8_t>(not_black -
                                MultiplyBy255ths(inks.magenta, not_black));
  rgb[2] = static_cast<uint8_t>(not_black -
                                MultiplyBy255ths(inks.yellow, not_black));
}

}  // namespace diptych::inference
