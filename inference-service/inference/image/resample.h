// Pillow's image resampling, to the byte.
//
// Operation: two passes, horizontal then vertical, with 8 bits in between. A
// filter widens with the scale when shrinking (antialiasing), its weights are
// normalised in double and rounded to 22-bit fixed point. Source: Pillow 9.4,
// src/libImaging/Resample.c (and ImagingScaleAffine in Geometry.c for nearest).
// cv::resize does none of this and moves embeddings away from the published
// ones. Concurrency: free functions without state. Limits: memory for the rows
// that the window needs, not for the whole result.
#pragma once

#include "inference/types/image.h"

namespace diptych::inference {

// The numbers are those of preprocessor_config.json's "resample".
enum class ResampleFilter {
  kNearest = 0,
  kLanczos = 1,
  kBilinear = 2,
  kBicubic = 3,
  kBox = 4,
  kHamming = 5,
};

// A rectangle of pixels.
struct Window {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// The part `window` of `image` resized to `width` x `height`: equal to
// image.resize((width, height), filter).crop(window) in Pillow. The image is
// not empty, the sizes are at least 1, and the window is not empty and lies
// inside.
Image Resample(const Image& image, int width, int height, ResampleFilter filter,
               const Window& window);

}  // namespace diptych::inference
