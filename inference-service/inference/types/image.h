// A decoded picture: 8-bit RGB, interleaved, rows from top to bottom without
// padding.
//
// Operation: a value type that owns its pixels; copying copies them.
// Concurrency: as any value type; const methods may run in parallel.
// Limits: none of its own; image_decoder.h bounds what is decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diptych::inference {

class Image {
 public:
  static constexpr int kChannels = 3;

  // An image of 0 x 0 pixels.
  Image() = default;

  // A black image. Both sizes are at least 1.
  Image(int width, int height)
      : width_(width),
        height_(height),
        pixels_(static_cast<size_t>(width) * height * kChannels) {}

  int width() const { return width_; }
  int height() const { return height_; }
  bool empty() const { return pixels_.empty(); }

  // height() * width() * 3 bytes: R, G, B of the first row's first pixel first.
  const std::vector<uint8_t>& pixels() const { return pixels_; }
  uint8_t* data() { return pixels_.data(); }
  const uint8_t* data() const { return pixels_.data(); }

  // The first byte of row `y`, which holds width() * 3 bytes.
  uint8_t* row(int y) { return pixels_.data() + Offset(y); }
  const uint8_t* row(int y) const { return pixels_.data() + Offset(y); }

  friend bool operator==(const Image& a, const Image& b) {
    return a.width_ == b.width_ && a.height_ == b.height_ &&
           a.pixels_ == b.pixels_;
  }

 private:
  size_t Offset(int y) const {
    return static_cast<size_t>(y) * width_ * kChannels;
  }

  int width_ = 0;
  int height_ = 0;
  std::vector<uint8_t> pixels_;
};

}  // namespace diptych::inference
