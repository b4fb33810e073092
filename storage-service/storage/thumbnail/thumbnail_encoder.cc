#include "storage/thumbnail/thumbnail_encoder.h"

#include <png.h>
#include <webp/decode.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/image/exif_orientation.h"
#include "common/image/image_header.h"
#include "common/status/status_macros.h"
#include "storage/thumbnail/jpeg_codec.h"
#include "storage/thumbnail/picture.h"

namespace diptych::storage {
namespace {

absl::StatusOr<Picture> DecodePng(absl::string_view bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const absl::Cleanup freed = [&image] { png_image_free(&image); };
  const auto failure = [&image] {
    return absl::InvalidArgumentError(
        absl::StrCat("the PNG is malformed: ", image.message));
  };
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) ==
      0) {
    return failure();
  }
  // Without this libpng takes 16 bits for linear light.
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  // Without an alpha channel libpng lays the picture on the background.
  image.format = PNG_FORMAT_RGB;
  Picture picture(static_cast<int>(image.width),
                  static_cast<int>(image.height));
  const png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, picture.rgb.data(), 0, nullptr) ==
      0) {
    return failure();
  }
  return picture;
}

// Straight RGBA on white.
Picture OnWhite(const uint8_t* rgba, int stride, int width, int height) {
  Picture picture(width, height);
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = rgba + static_cast<ptrdiff_t>(stride) * y;
    uint8_t* to = picture.row(y);
    for (int x = 0; x < width; ++x, from += 4, to += 3) {
      const int alpha = from[3];
      for (int channel = 0; channel < 3; ++channel) {
        to[channel] = static_cast<uint8_t>(
            (from[channel] * alpha + 255 * (255 - alpha) + 127) / 255);
      }
    }
  }
  return picture;
}

absl::StatusOr<Picture> DecodeWebpSmall(absl::string_view bytes,
                                        const ImageHeader& header, int pixels) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    return absl::InternalError("libwebp is of another version than its header");
  }
  const absl::Cleanup freed = [&config] { WebPFreeDecBuffer(&config.output); };
  config.output.colorspace = MODE_RGBA;
  // Twice as large as asked for, so that averaging still has something to do.
  const int64_t longer = std::max(header.width, header.height);
  if (const int64_t enough = int64_t{2} * pixels; longer > enough) {
    const auto scaled = [&](int64_t size) {
      return static_cast<int>(std::max<int64_t>(1, size * enough / longer));
    };
    config.options.use_scaling = 1;
    config.options.scaled_width = scaled(header.width);
    config.options.scaled_height = scaled(header.height);
  }
  const VP8StatusCode code = WebPDecode(
      reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &config);
  if (code != VP8_STATUS_OK) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the WebP is malformed or animated: libwebp's status ", code));
  }
  return OnWhite(config.output.u.RGBA.rgba, config.output.u.RGBA.stride,
                 config.output.width, config.output.height);
}

absl::StatusOr<Picture> Decode(absl::string_view bytes,
                               const ImageHeader& header, int pixels) {
  switch (header.format) {
    case ImageFormat::kJpeg:
      return DecodeJpegSmall(bytes, pixels);
    case ImageFormat::kPng:
      return DecodePng(bytes);
    case ImageFormat::kWebp:
      return DecodeWebpSmall(bytes, header, pixels);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("thumbnails are made of JPEG, PNG and WebP, not of ",
                       ImageFormatName(header.format)));
  }
}

}  // namespace

absl::StatusOr<std::string> MakeThumbnail(absl::string_view image, int pixels,
                                          const ThumbnailLimits& limits) {
  DIPTYCH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(image));
  // Divided, because the product of two sizes from a header may overflow.
  if (image.size() > limits.image_bytes_max ||
      header.width > limits.image_pixels_max / header.height) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the picture is larger than ", limits.image_bytes_max, " bytes or ",
        limits.image_pixels_max, " pixels: ", image.size(), " bytes, ",
        header.width, "x", header.height));
  }
  DIPTYCH_ASSIGN_OR_RETURN(Picture picture, Decode(image, header, pixels));
  picture = Shrink(std::move(picture), pixels);
  picture = Upright(std::move(picture), ReadOrientation(image, header.format));
  return EncodeJpeg(picture);
}

}  // namespace diptych::storage
