#include "inference/image/resample.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace diptych::inference {
namespace {

// 32 bits less 8 of a pixel and 2 for sums that exceed 1 (negative lobes).
constexpr int kWeightBits = 32 - 8 - 2;
constexpr int kHalf = 1 << (kWeightBits - 1);

double Box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double Bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double Hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= M_PI;
  // Single-precision constants, as Pillow has them.
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

// Keys' cubic with a = -0.5.
double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double Sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

double Lanczos(double x) {
  return -3.0 <= x && x < 3.0 ? Sinc(x) * Sinc(x / 3) : 0.0;
}

struct Kernel {
  double (*function)(double);
  // Half the kernel's width in output pixels.
  double support;
};

Kernel KernelOf(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::kBox:
      return {Box, 0.5};
    case ResampleFilter::kBilinear:
      return {Bilinear, 1.0};
    case ResampleFilter::kHamming:
      return {Hamming, 1.0};
    case ResampleFilter::kLanczos:
      return {Lanczos, 3.0};
    case ResampleFilter::kBicubic:
    case ResampleFilter::kNearest:
      break;
  }
  return {Bicubic, 2.0};
}

// One output pixel: the weighted input pixels first, first + 1, ...
struct Taps {
  int first = 0;
  std::vector<int> weights;
};

// The taps of output pixels [begin, begin + count) of an axis.
std::vector<Taps> TapsOf(int in, int out, int begin, int count,
                         const Kernel& kernel) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  std::vector<Taps> result(count);
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(in, static_cast<int>(center + support + 0.5));
    weights.clear();
    double sum = 0.0;
    for (int x = 0; x < end - first; ++x) {
      weights.push_back(kernel.function((x + first - center + 0.5) * inverse));
      sum += weights.back();
    }
    result[i].first = first;
    for (double weight : weights) {
      if (sum != 0.0) weight /= sum;
      const double fixed = weight * (1 << kWeightBits);
      result[i].weights.push_back(
          static_cast<int>(weight < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return result;
}

uint8_t ToByte(int sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

// Rows [top, top + height) of `image`, each with one pixel per element of
// `taps`.
Image ResampleRows(const Image& image, const std::vector<Taps>& taps, int top,
                   int height) {
  Image result(static_cast<int>(taps.size()), height);
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = image.row(top + y);
    uint8_t* out = result.row(y);
    for (const Taps& tap : taps) {
      const uint8_t* pixel = row + size_t{3} * tap.first;
      int red = kHalf, green = kHalf, blue = kHalf;
      for (const int weight : tap.weights) {
        red += pixel[0] * weight;
        green += pixel[1] * weight;
        blue += pixel[2] * weight;
        pixel += 3;
      }
      *out++ = ToByte(red);
      *out++ = ToByte(green);
      *out++ = ToByte(blue);
    }
  }
  return result;
}

// `image` begins at row `first_row` of the picture that `taps` speak of.
Image ResampleColumns(const Image& image, const std::vector<Taps>& taps,
                      int first_row) {
  Image result(image.width(), static_cast<int>(taps.size()));
  const size_t row_bytes = size_t{3} * image.width();
  std::vector<int> sums(row_bytes);
  for (size_t y = 0; y < taps.size(); ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    int row = taps[y].first - first_row;
    for (const int weight : taps[y].weights) {
      const uint8_t* pixels = image.row(row++);
      for (size_t i = 0; i < row_bytes; ++i) sums[i] += pixels[i] * weight;
    }
    uint8_t* out = result.row(static_cast<int>(y));
    for (size_t i = 0; i < row_bytes; ++i) out[i] = ToByte(sums[i]);
  }
  return result;
}

Image Crop(const Image& image, const Window& window) {
  Image result(window.width, window.height);
  for (int y = 0; y < window.height; ++y) {
    std::memcpy(result.row(y),
                image.row(window.top + y) + size_t{3} * window.left,
                size_t{3} * window.width);
  }
  return result;
}

// Input positions of output pixels [begin, begin + count). Pillow adds the
// scale up step by step, and its rounding decides ties.
std::vector<int> NearestPositions(int in, int out, int begin, int count) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> result;
  double position = scale * 0.5;
  for (int i = 0; i < begin + count; ++i, position += scale) {
    if (i >= begin)
      result.push_back(std::min(static_cast<int>(position), in - 1));
  }
  return result;
}

Image ResampleNearest(const Image& image, int width, int height,
                      const Window& window) {
  const std::vector<int> columns =
      NearestPositions(image.width(), width, window.left, window.width);
  const std::vector<int> rows =
      NearestPositions(image.height(), height, window.top, window.height);
  Image result(window.width, window.height);
  for (int y = 0; y < window.height; ++y) {
    uint8_t* out = result.row(y);
    for (const int column : columns) {
      out = std::copy_n(image.row(rows[y]) + size_t{3} * column, 3, out);
    }
  }
  return result;
}

}  // namespace

Image Resample(const Image& image, int width, int height, ResampleFilter filter,
               const Window& window) {
  const bool same_width = image.width() == width;
  const bool same_height = image.height() == height;
  if (same_width && same_height) return Crop(image, window);
  if (filter == ResampleFilter::kNearest) {
    return ResampleNearest(image, width, height, window);
  }
  const Kernel kernel = KernelOf(filter);
  std::vector<Taps> columns;
  int first_row = window.top;
  int end_row = window.top + window.height;
  if (!same_height) {
    columns = TapsOf(image.height(), height, window.top, window.height, kernel);
    first_row = columns.front().first;
    end_row =
        columns.back().first + static_cast<int>(columns.back().weights.size());
  }
  Image rows =
      same_width
          ? Crop(image,
                 {window.left, first_row, window.width, end_row - first_row})
          : ResampleRows(
                image,
                TapsOf(image.width(), width, window.left, window.width, kernel),
                first_row, end_row - first_row);
  return same_height ? rows : ResampleColumns(rows, columns, first_row);
}

}  // namespace diptych::inference
