#include "inference/image/image_decoder.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/image/exif_orientation.h"
#include "common/image/image_header.h"
#include "common/status/status_macros.h"
#include "inference/image/bmp_decoder.h"
#include "inference/image/gif_decoder.h"
#include "inference/image/jpeg_decoder.h"
#include "inference/image/orientation.h"
#include "inference/image/png_decoder.h"
#include "inference/image/tiff_decoder.h"
#include "inference/image/webp_decoder.h"

namespace diptych::inference {
namespace {

absl::StatusOr<Image> Decode(absl::string_view bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes);
    case ImageFormat::kPng:
      return DecodePng(bytes);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes);
    case ImageFormat::kBmp:
      return DecodeBmp(bytes);
    case ImageFormat::kTiff:
      return DecodeTiff(bytes);
    case ImageFormat::kGif:
      return DecodeGif(bytes);
  }
  return absl::InvalidArgumentError("image is of no known format");
}

}  // namespace

absl::StatusOr<Image> DecodeImage(absl::string_view bytes,
                                  const ImageLimits& limits,
                                  const DecodeOptions& options) {
  if (bytes.size() > limits.bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("image is larger than the allowed ", limits.bytes_max,
                     " bytes: ", bytes.size()));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(bytes));
  const absl::string_view name = ImageFormatName(header.format);
  // Divided, because the product of two sizes from a header may overflow.
  if (header.width > limits.pixels_max / header.height) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " image has more pixels than the allowed ", limits.pixels_max,
        ": its header says ", header.width, "x", header.height));
  }
  absl::StatusOr<Image> image = Decode(bytes, header.format);
  if (!image.ok()) return image;
  if (image->width() != header.width || image->height() != header.height) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " image is malformed: its header says ",
                     header.width, "x", header.height, " pixels, its data ",
                     image->width(), "x", image->height()));
  }
  // Pillow turns a TIFF by its orientation whatever it is asked.
  const bool turned =
      options.exif_orientation || header.format == ImageFormat::kTiff;
  if (!turned) return image;
  return Upright(*std::move(image), ReadOrientation(bytes, header.format));
}

}  // namespace diptych::inference
