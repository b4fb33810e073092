#include "inference/image/opencv_decoder.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "inference/image/png_chunks.h"
#include "opencv2/imgcodecs.hpp"

namespace diptych::inference {
namespace {

// One row of BGR, BGRA or grey to RGB; alpha is dropped.
void ToRgb(const uint8_t* from, int channels, int pixels, uint8_t* rgb) {
  for (int i = 0; i < pixels; ++i, from += channels, rgb += 3) {
    const bool grey = channels == 1;
    rgb[0] = from[grey ? 0 : 2];
    rgb[1] = from[grey ? 0 : 1];
    rgb[2] = from[0];
  }
}

// Pillow reads 16-bit grey as 32-bit integers and clips those to 8 bits.
void Grey16ToRgb(const uint16_t* grey, int pixels, uint8_t* rgb) {
  for (int i = 0; i < pixels; ++i, rgb += 3) {
    rgb[0] = rgb[1] = rgb[2] =
        static_cast<uint8_t>(std::min<uint16_t>(grey[i], 255));
  }
}

// A PNG of 16-bit grey without alpha: bit depth and colour type of IHDR.
bool IsGrey16Png(absl::string_view bytes, ImageFormat format) {
  return format == ImageFormat::kPng && bytes.size() > 25 && bytes[24] == 16 &&
         bytes[25] == 0;
}

}  // namespace

absl::StatusOr<Image> DecodeWithOpenCv(absl::string_view bytes,
                                       ImageFormat format) {
  const auto malformed = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        ImageFormatName(format), " image is malformed or truncated", why));
  };
  const bool as_stored = IsGrey16Png(bytes, format) ||
                         format == ImageFormat::kBmp ||
                         format == ImageFormat::kTiff;
  const int flags = as_stored
                        ? cv::IMREAD_UNCHANGED
                        : cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION;
  std::string png;
  if (format == ImageFormat::kPng) {
    png = KeepPixelChunks(bytes);
    bytes = png;
  }
  cv::Mat decoded;
  try {
    // OpenCV reads from the buffer only, but asks for a mutable pointer.
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1,
                         const_cast<char*>(bytes.data()));
    decoded = cv::imdecode(buffer, flags);
  } catch (const cv::Exception&) {
    return malformed(": the decoder refuses it");
  }
  if (decoded.empty()) return malformed("");
  const int channels = decoded.channels();
  const bool grey16 =
      decoded.depth() == CV_16U && channels == 1 && format == ImageFormat::kPng;
  const bool eight_bit = decoded.depth() == CV_8U &&
                         (channels == 1 || channels == 3 || channels == 4);
  if (!grey16 && !eight_bit) {
    return absl::InvalidArgumentError(
        absl::StrCat(ImageFormatName(format),
                     " image is of an unsupported kind; 8 bits per channel of "
                     "grey, RGB or RGBA are supported"));
  }
  Image image(decoded.cols, decoded.rows);
  for (int y = 0; y < decoded.rows; ++y) {
    if (grey16) {
      Grey16ToRgb(decoded.ptr<uint16_t>(y), decoded.cols, image.row(y));
    } else {
      ToRgb(decoded.ptr<uint8_t>(y), channels, decoded.cols, image.row(y));
    }
  }
  return image;
}

}  // namespace diptych::inference
