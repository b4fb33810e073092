#include "common/image/exif_orientation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace diptych {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3;
constexpr uint32_t kLong = 4;
constexpr int kUpright = 1;

uint32_t Byte(absl::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}
uint32_t Number(absl::string_view bytes, size_t at, size_t count, bool little) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value = value << 8 | Byte(bytes, little ? at + count - 1 - i : at + i);
  }
  return value;
}

// `tiff`: the EXIF data, which is a TIFF file without pixels.
int OrientationOfTiff(absl::string_view tiff) {
  if (tiff.size() < 8) return kUpright;
  const bool little = absl::StartsWith(tiff, "II");
  if (!little && !absl::StartsWith(tiff, "MM")) return kUpright;
  const size_t directory = Number(tiff, 4, 4, little);
  if (directory > tiff.size() - 2) return kUpright;
  const size_t entries = Number(tiff, directory, 2, little);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return kUpright;
    if (Number(tiff, entry, 2, little) != kOrientationTag) continue;
    const uint32_t type = Number(tiff, entry + 2, 2, little);
    if ((type != kShort && type != kLong) ||
        Number(tiff, entry + 4, 4, little) != 1) {
      return kUpright;
    }
    const uint32_t value =
        Number(tiff, entry + 8, type == kShort ? 2 : 4, little);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

// The EXIF data of a JPEG, or nothing.
absl::string_view ExifOfJpeg(absl::string_view bytes) {
  constexpr absl::string_view kName("Exif\0\0", 6);
  size_t at = 2;
  while (at + 4 <= bytes.size() && Byte(bytes, at) == 0xff) {
    const uint32_t marker = Byte(bytes, at + 1);
    if (marker == 0xff) {  // A fill byte.
      ++at;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const size_t length = Number(bytes, at + 2, 2, /*little=*/false);
    if (length < 2 || length > bytes.size() - at - 2) break;
    absl::string_view segment = bytes.substr(at + 4, length - 2);
    if (marker == 0xe1 && absl::ConsumePrefix(&segment, kName)) return segment;
    at += 2 + length;
  }
  return "";
}

// The EXIF data of a PNG (chunks: length, type, data, CRC) or of a WebP
// (chunks: type, length, data, padded to an even length), or nothing.
absl::string_view ExifOfPng(absl::string_view bytes) {
  size_t at = 8;
  while (bytes.size() >= 12 && at <= bytes.size() - 12) {
    const size_t length = Number(bytes, at, 4, /*little=*/false);
    if (length > bytes.size() - 12 - at) break;
    if (bytes.substr(at + 4, 4) == "eXIf") return bytes.substr(at + 8, length);
    at += 12 + length;
  }
  return "";
}

absl::string_view ExifOfWebp(absl::string_view bytes) {
  size_t at = 12;
  while (bytes.size() >= 8 && at <= bytes.size() - 8) {
    const size_t length = Number(bytes, at + 4, 4, /*little=*/true);
    if (length > bytes.size() - 8 - at) break;
    if (bytes.substr(at, 4) == "EXIF") {
      absl::string_view exif = bytes.substr(at + 8, length);
      absl::ConsumePrefix(&exif, absl::string_view("Exif\0\0", 6));
      return exif;
    }
    at += 8 + length + length % 2;
  }
  return "";
}

}  // namespace

int ReadOrientation(absl::string_view bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return OrientationOfTiff(ExifOfJpeg(bytes));
    case ImageFormat::kPng:
      return OrientationOfTiff(ExifOfPng(bytes));
    case ImageFormat::kWebp:
      return OrientationOfTiff(ExifOfWebp(bytes));
    case ImageFormat::kTiff:
      return OrientationOfTiff(bytes);
    case ImageFormat::kBmp:
    case ImageFormat::kGif:
      return kUpright;
  }
  return kUpright;
}

bool SwapsSides(int orientation) {
  return orientation >= 5 && orientation <= 8;
}

void CopyUpright(const uint8_t* stored, int width, int height, int orientation,
                 uint8_t* upright) {
  constexpr int kChannels = 3;
  // From a pixel of the result to the stored one: first swapped, then mirrored.
  const bool swapped = SwapsSides(orientation);
  const bool from_right = orientation == 2 || orientation == 3 ||
                          orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 ||
                           orientation == 6 || orientation == 7;
  const int columns = swapped ? height : width;
  const int rows = swapped ? width : height;
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      int column = swapped ? y : x;
      int row = swapped ? x : y;
      if (from_right) column = width - 1 - column;
      if (from_bottom) row = height - 1 - row;
      const size_t pixel = size_t(row) * width + column;
      upright = std::copy_n(stored + kChannels * pixel, kChannels, upright);
    }
  }
}

}  // namespace diptych
