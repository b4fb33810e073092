#include "common/image/image_header.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace diptych {
namespace {

struct Size {
  int64_t width = 0;
  int64_t height = 0;
};

uint32_t Byte(absl::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}
uint32_t Big16(absl::string_view bytes, size_t at) {
  return Byte(bytes, at) << 8 | Byte(bytes, at + 1);
}
uint32_t Big32(absl::string_view bytes, size_t at) {
  return Big16(bytes, at) << 16 | Big16(bytes, at + 2);
}
uint32_t Little16(absl::string_view bytes, size_t at) {
  return Byte(bytes, at) | Byte(bytes, at + 1) << 8;
}
uint32_t Little24(absl::string_view bytes, size_t at) {
  return Little16(bytes, at) | Byte(bytes, at + 2) << 16;
}
uint32_t Little32(absl::string_view bytes, size_t at) {
  return Little16(bytes, at) | Little16(bytes, at + 2) << 16;
}

// Each of the following gives nothing when the header is cut off or broken.

std::optional<Size> JpegSize(absl::string_view bytes) {
  size_t at = 2;
  while (at + 4 <= bytes.size()) {
    if (Byte(bytes, at) != 0xff) return std::nullopt;
    const uint32_t marker = Byte(bytes, at + 1);
    if (marker == 0xff) {  // A fill byte.
      ++at;
      continue;
    }
    const bool without_length =
        marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    if (without_length) {
      at += 2;
      continue;
    }
    const bool start_of_frame = marker >= 0xc0 && marker <= 0xcf &&
                                marker != 0xc4 && marker != 0xc8 &&
                                marker != 0xcc;
    if (start_of_frame) {
      if (at + 9 > bytes.size()) return std::nullopt;
      return Size{Big16(bytes, at + 7), Big16(bytes, at + 5)};
    }
    const bool frame_missing =
        marker == 0xd8 || marker == 0xd9 || marker == 0xda || marker == 0x00;
    const uint32_t length = Big16(bytes, at + 2);
    if (frame_missing || length < 2) return std::nullopt;
    at += 2 + length;
  }
  return std::nullopt;
}

std::optional<Size> PngSize(absl::string_view bytes) {
  if (bytes.size() < 24 || bytes.substr(12, 4) != "IHDR") return std::nullopt;
  return Size{Big32(bytes, 16), Big32(bytes, 20)};
}

std::optional<Size> WebpSize(absl::string_view bytes) {
  if (bytes.size() < 30) return std::nullopt;
  const absl::string_view chunk = bytes.substr(12, 4);
  if (chunk == "VP8X") {
    return Size{int64_t{Little24(bytes, 24)} + 1,
                int64_t{Little24(bytes, 27)} + 1};
  }
  if (chunk == "VP8L" && Byte(bytes, 20) == 0x2f) {
    const uint32_t bits = Little32(bytes, 21);
    return Size{int64_t{bits & 0x3fff} + 1, int64_t{bits >> 14 & 0x3fff} + 1};
  }
  if (chunk == "VP8 " && Little24(bytes, 23) == 0x2a019d) {
    return Size{Little16(bytes, 26) & 0x3fff, Little16(bytes, 28) & 0x3fff};
  }
  return std::nullopt;
}

std::optional<Size> BmpSize(absl::string_view bytes) {
  if (bytes.size() < 26) return std::nullopt;
  const uint32_t header_bytes = Little32(bytes, 14);
  if (header_bytes == 12) {
    return Size{Little16(bytes, 18), Little16(bytes, 20)};
  }
  if (header_bytes < 40) return std::nullopt;
  const int64_t width = static_cast<int32_t>(Little32(bytes, 18));
  const int64_t height = static_cast<int32_t>(Little32(bytes, 22));
  // A negative height says that rows go from top to bottom.
  return Size{width, height < 0 ? -height : height};
}

std::optional<Size> TiffSize(absl::string_view bytes) {
  const bool little = bytes[0] == 'I';
  const auto read16 = [&](size_t at) {
    return little ? Little16(bytes, at) : Big16(bytes, at);
  };
  const auto read32 = [&](size_t at) {
    return little ? Little32(bytes, at) : Big32(bytes, at);
  };
  if (bytes.size() < 8) return std::nullopt;
  const size_t directory = read32(4);
  if (directory + 2 > bytes.size()) return std::nullopt;
  const size_t entries = read16(directory);
  std::optional<int64_t> width, height;
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * 12;
    if (entry + 12 > bytes.size()) return std::nullopt;
    const uint32_t tag = read16(entry);
    if (tag != 256 && tag != 257) continue;
    const uint32_t type = read16(entry + 2);
    if (type != 3 && type != 4) return std::nullopt;
    std::optional<int64_t>& value = tag == 256 ? width : height;
    // Twice the same tag: a decoder might believe the other one.
    if (value.has_value()) return std::nullopt;
    value = type == 3 ? read16(entry + 8) : read32(entry + 8);
  }
  if (!width.has_value() || !height.has_value()) return std::nullopt;
  return Size{*width, *height};
}

// Of the first frame and the screen together: a frame may be the larger one.
std::optional<Size> GifSize(absl::string_view bytes) {
  if (bytes.size() < 13) return std::nullopt;
  Size size{Little16(bytes, 6), Little16(bytes, 8)};
  const uint32_t flags = Byte(bytes, 10);
  size_t at = 13;
  if ((flags & 0x80) != 0) at += size_t{6} << (flags & 7);
  while (at < bytes.size()) {
    if (bytes[at] == ',') {
      if (at + 9 > bytes.size()) return std::nullopt;
      size.width = std::max<int64_t>(
          size.width, Little16(bytes, at + 1) + Little16(bytes, at + 5));
      size.height = std::max<int64_t>(
          size.height, Little16(bytes, at + 3) + Little16(bytes, at + 7));
      return size;
    }
    if (bytes[at] != '!') return std::nullopt;
    // An extension: its label, then blocks of a length and so many bytes, the
    // last one of length 0.
    at += 2;
    while (at < bytes.size() && bytes[at] != 0) at += 1 + Byte(bytes, at);
    ++at;
  }
  return std::nullopt;
}

std::optional<ImageFormat> Sniff(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (absl::StartsWith(bytes, "RIFF") && bytes.size() >= 12 &&
      bytes.substr(8, 4) == "WEBP") {
    return ImageFormat::kWebp;
  }
  if (absl::StartsWith(bytes, "GIF87a") || absl::StartsWith(bytes, "GIF89a")) {
    return ImageFormat::kGif;
  }
  if (absl::StartsWith(bytes, absl::string_view("II*\0", 4)) ||
      absl::StartsWith(bytes, absl::string_view("MM\0*", 4))) {
    return ImageFormat::kTiff;
  }
  if (absl::StartsWith(bytes, "BM")) return ImageFormat::kBmp;
  return std::nullopt;
}

std::optional<Size> SizeOf(ImageFormat format, absl::string_view bytes) {
  switch (format) {
    case ImageFormat::kJpeg:
      return JpegSize(bytes);
    case ImageFormat::kPng:
      return PngSize(bytes);
    case ImageFormat::kWebp:
      return WebpSize(bytes);
    case ImageFormat::kBmp:
      return BmpSize(bytes);
    case ImageFormat::kTiff:
      return TiffSize(bytes);
    case ImageFormat::kGif:
      return GifSize(bytes);
  }
  return std::nullopt;
}

}  // namespace

absl::string_view ImageFormatName(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kTiff:
      return "TIFF";
    case ImageFormat::kGif:
      return "GIF";
  }
  return "unknown";
}

absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view bytes) {
  if (bytes.empty()) return absl::InvalidArgumentError("image is empty");
  const std::optional<ImageFormat> format = Sniff(bytes);
  if (!format.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("image is of no known format; JPEG, PNG, WebP, GIF, BMP "
                     "and TIFF are; its "
                     "first bytes are ",
                     absl::BytesToHexString(bytes.substr(0, 8))));
  }
  const std::optional<Size> size = SizeOf(*format, bytes);
  if (!size.has_value() || size->width < 1 || size->height < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(ImageFormatName(*format),
                     " image is malformed or truncated: its header gives no "
                     "width and height; it has ",
                     bytes.size(), " bytes"));
  }
  return ImageHeader{*format, size->width, size->height};
}

}  // namespace diptych
