#include "storage/thumbnail/picture.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/image/exif_orientation.h"

namespace diptych::storage {
namespace {

constexpr int kChannels = 3;

// The source pixels that one pixel of the result covers, along one axis.
struct Span {
  int begin = 0;
  std::vector<float> weights;  // of begin, begin + 1, ...; their sum is 1
};

std::vector<Span> Cover(int from, int to) {
  std::vector<Span> spans(to);
  const double step = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double begin = i * step, end = std::min((i + 1) * step, 1.0 * from);
    spans[i].begin = static_cast<int>(begin);
    for (int at = spans[i].begin; at < from && at < end; ++at) {
      const double share = std::min(end, at + 1.0) - std::max(begin, 1.0 * at);
      spans[i].weights.push_back(static_cast<float>(share / (end - begin)));
    }
  }
  return spans;
}

// Row by row, so that the memory beside the two pictures is one row of sums.
Picture Average(const Picture& picture, int width, int height) {
  const std::vector<Span> columns = Cover(picture.width, width);
  const std::vector<Span> rows = Cover(picture.height, height);
  Picture small(width, height);
  std::vector<float> sums(size_t{kChannels} * picture.width);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t i = 0; i < rows[y].weights.size(); ++i) {
      const uint8_t* from = picture.row(rows[y].begin + static_cast<int>(i));
      for (size_t k = 0; k < sums.size(); ++k) {
        sums[k] += rows[y].weights[i] * from[k];
      }
    }
    uint8_t* to = small.row(y);
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < kChannels; ++channel) {
        float sum = 0;
        for (size_t i = 0; i < columns[x].weights.size(); ++i) {
          sum += columns[x].weights[i] *
                 sums[kChannels * (columns[x].begin + i) + channel];
        }
        *to++ = static_cast<uint8_t>(std::clamp(std::lround(sum), 0l, 255l));
      }
    }
  }
  return small;
}

}  // namespace

Picture Shrink(Picture picture, int pixels) {
  const int longer = std::max(picture.width, picture.height);
  if (longer <= pixels) return picture;
  const auto scaled = [&](int size) {
    const double exact = static_cast<double>(size) * pixels / longer;
    return std::clamp(static_cast<int>(std::lround(exact)), 1, pixels);
  };
  return Average(picture, scaled(picture.width), scaled(picture.height));
}

Picture Upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  const bool swapped = SwapsSides(orientation);
  Picture upright(swapped ? picture.height : picture.width,
                  swapped ? picture.width : picture.height);
  CopyUpright(picture.rgb.data(), picture.width, picture.height, orientation,
              upright.rgb.data());
  return upright;
}

}  // namespace diptych::storage
