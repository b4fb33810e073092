#include "inference/image/clip_preprocessor.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "inference/image/resample.h"

namespace diptych::inference {
namespace {

// One axis of the centred crop.
struct Span {
  // In the resized picture.
  int from = 0;
  // In the result.
  int to = 0;
  int length = 0;
};

Span CenteredSpan(int size, int crop, CropRounding rounding) {
  // Rounded down, below zero too: an arithmetic shift.
  int start = (size - crop) >> 1;
  const bool half = ((size - crop) & 1) != 0;
  if (rounding == CropRounding::kHalfToEven && half) {
    // What a small picture lacks on one side is rounded down instead.
    start += start < 0 ? 1 : start & 1;
  }
  const int from = std::max(start, 0);
  const int to = std::max(-start, 0);
  return {from, to, std::min(size - from, crop - to)};
}

}  // namespace

int ClipPreprocessor::output_width() const {
  return config_.center_crop ? config_.crop_width : config_.resized_width;
}

int ClipPreprocessor::output_height() const {
  return config_.center_crop ? config_.crop_height : config_.resized_height;
}

absl::StatusOr<Image> ClipPreprocessor::Preprocess(const Image& image) const {
  if (image.empty()) {
    return absl::InvalidArgumentError("image has no pixels");
  }
  int width = image.width();
  int height = image.height();
  if (config_.resize && config_.shortest_edge == 0) {
    width = config_.resized_width;
    height = config_.resized_height;
  } else if (config_.resize) {
    const int shorter = std::min(width, height);
    const int64_t edge = config_.shortest_edge;
    // Python's int(edge * long / short): one division in double, truncated.
    const double longer =
        static_cast<double>(edge * std::max(width, height)) / shorter;
    if (longer >= kLongSideMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "image is too long and narrow to be resized to a shorter side of ",
          edge, " pixels: ", width, "x", height));
    }
    const bool tall = height >= width;
    width = static_cast<int>(tall ? edge : longer);
    height = static_cast<int>(tall ? longer : edge);
  }
  const Span columns =
      CenteredSpan(width, output_width(), config_.crop_rounding);
  const Span rows =
      CenteredSpan(height, output_height(), config_.crop_rounding);
  Image cropped =
      Resample(image, width, height, config_.filter,
               {columns.from, rows.from, columns.length, rows.length});
  if (columns.length == output_width() && rows.length == output_height()) {
    return cropped;
  }
  Image padded(output_width(), output_height());
  for (int y = 0; y < rows.length; ++y) {
    std::memcpy(padded.row(rows.to + y) + Image::kChannels * columns.to,
                cropped.row(y), size_t{Image::kChannels} * columns.length);
  }
  return padded;
}

}  // namespace diptych::inference
