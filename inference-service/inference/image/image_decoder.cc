#include "inference/image/image_decoder.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/image/image_header.h"
#include "inference/image/jpeg_decoder.h"
#include "inference/image/opencv_decoder.h"

namespace diptych::inference {

absl::StatusOr<Image> DecodeImage(absl::string_view bytes,
                                  const ImageLimits& limits) {
  if (bytes.size() > limits.bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("image is larger than the allowed ", limits.bytes_max,
                     " bytes: ", bytes.size()));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(bytes));
  const absl::string_view name = ImageFormatName(header.format);
  if (header.format == ImageFormat::kGif) {
    return absl::InvalidArgumentError(
        "GIF images are not supported; convert the picture to PNG, JPEG or "
        "WebP");
  }
  // Divided, because the product of two sizes from a header may overflow.
  if (header.width > limits.pixels_max / header.height) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " image has more pixels than the allowed ", limits.pixels_max,
        ": its header says ", header.width, "x", header.height));
  }
  auto image = header.format == ImageFormat::kJpeg
                   ? DecodeJpeg(bytes)
                   : DecodeWithOpenCv(bytes, header.format);
  if (!image.ok()) return image;
  if (image->width() != header.width || image->height() != header.height) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " image is malformed: its header says ",
                     header.width, "x", header.height, " pixels, its data ",
                     image->width(), "x", image->height()));
  }
  return image;
}

}  // namespace diptych::inference
