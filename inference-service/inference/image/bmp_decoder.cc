#include "inference/image/bmp_decoder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr size_t kOs2HeaderBytes = 12;
constexpr size_t kInfoHeaderBytes = 40;
// A header at least this long has the masks inside it.
constexpr size_t kMaskedHeaderBytes = 52;
constexpr size_t kColoursMax = 65536;

enum Compression : uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3 };

using Colour = std::array<uint8_t, 3>;

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("BMP image is malformed or truncated: ", why));
}

absl::Status Unsupported(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "BMP image is of an unsupported kind (", what, "); convert it to PNG"));
}

uint32_t Little(absl::string_view bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  }
  return value;
}

struct Header {
  int width = 0;
  int height = 0;
  bool top_down = false;
  uint32_t bits = 0;
  uint32_t compression = kPlain;
  // Red, green, blue.
  std::array<uint32_t, 3> masks = {};
  std::array<Colour, 256> palette = {};
  size_t pixels_at = 0;
};

using ChannelBytes = std::array<size_t, 3>;

// Where in a pixel of 24 or 32 bits its red, green and blue bytes are.
absl::StatusOr<ChannelBytes> ByteOrder(const Header& header) {
  constexpr ChannelBytes kBlueFirst = {2, 1, 0};
  constexpr std::array<uint32_t, 3> kNoMasks = {};
  if (header.bits < 24 || header.compression != kMasks ||
      header.masks == kNoMasks) {
    return kBlueFirst;
  }
  ChannelBytes order = {};
  for (size_t i = 0; i < order.size(); ++i) {
    size_t byte = 0;
    while (byte < header.bits / 8 && header.masks[i] != uint32_t{0xff}
                                                            << 8 * byte) {
      ++byte;
    }
    if (byte == header.bits / 8) {
      return Unsupported("its masks are not those of whole bytes");
    }
    order[i] = byte;
  }
  return order;
}

absl::Status ReadPalette(absl::string_view bytes, size_t at, size_t colours,
                         size_t colour_bytes, Header& header) {
  // What the file does not give is grey, as with Pillow.
  for (size_t i = 0; i < header.palette.size(); ++i) {
    header.palette[i].fill(static_cast<uint8_t>(i));
  }
  if (at > bytes.size() || colours * colour_bytes > bytes.size() - at) {
    return Malformed("its palette ends early");
  }
  const size_t count = std::min(colours, header.palette.size());
  for (size_t i = 0; i < count; ++i) {
    for (size_t channel = 0; channel < 3; ++channel) {
      header.palette[i][channel] =
          static_cast<uint8_t>(bytes[at + i * colour_bytes + 2 - channel]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Header> ReadHeader(absl::string_view bytes) {
  if (bytes.size() < kFileHeaderBytes + kOs2HeaderBytes) {
    return Malformed("its header ends early");
  }
  Header header;
  header.pixels_at = Little(bytes, 10, 4);
  const size_t header_bytes = Little(bytes, kFileHeaderBytes, 4);
  size_t at = kFileHeaderBytes + header_bytes;
  if (header_bytes > bytes.size() || at > bytes.size()) {
    return Malformed("its header ends early");
  }
  size_t colours = 0;
  const bool os2 = header_bytes == kOs2HeaderBytes;
  if (os2) {
    header.width = static_cast<int>(Little(bytes, 18, 2));
    header.height = static_cast<int>(Little(bytes, 20, 2));
    header.bits = Little(bytes, 24, 2);
  } else if (header_bytes >= kInfoHeaderBytes) {
    header.width = static_cast<int32_t>(Little(bytes, 18, 4));
    const int64_t height = static_cast<int32_t>(Little(bytes, 22, 4));
    header.top_down = height < 0;
    header.height = static_cast<int>(
        std::min<int64_t>(height < 0 ? -height : height, INT32_MAX));
    header.bits = Little(bytes, 28, 2);
    header.compression = Little(bytes, 30, 4);
    colours = Little(bytes, 46, 4);
  } else {
    return Unsupported(absl::StrCat("a header of ", header_bytes, " bytes"));
  }
  if (header.compression == kMasks) {
    const bool inside = header_bytes >= kMaskedHeaderBytes;
    const size_t masks_at = inside ? kFileHeaderBytes + kInfoHeaderBytes : at;
    if (bytes.size() < masks_at + 12) return Malformed("its masks end early");
    for (size_t i = 0; i < header.masks.size(); ++i) {
      header.masks[i] = Little(bytes, masks_at + 4 * i, 4);
    }
    if (!inside) at += 12;
  }
  const uint32_t bits = header.bits;
  const bool palette = bits == 1 || bits == 4 || bits == 8;
  const bool known = (header.compression == kPlain &&
                      (palette || bits == 16 || bits == 24 || bits == 32)) ||
                     (header.compression == kRle8 && bits == 8) ||
                     (header.compression == kRle4 && bits == 4) ||
                     (header.compression == kMasks &&
                      (bits == 16 || bits == 24 || bits == 32));
  if (!known) {
    return Unsupported(absl::StrCat(bits, " bits per pixel, compression ",
                                    header.compression));
  }
  if (palette) {
    if (colours == 0) colours = size_t{1} << bits;
    if (colours > kColoursMax) return Malformed("its palette is too large");
    const size_t colour_bytes = os2 ? 3 : 4;
    DIPTYCH_RETURN_IF_ERROR(
        ReadPalette(bytes, at, colours, colour_bytes, header));
    // Some writers forget the palette when they say where the pixels are.
    if (header.pixels_at == at) header.pixels_at += colour_bytes * colours;
    at += colour_bytes * colours;
  }
  if (header.pixels_at == 0) header.pixels_at = at;
  if (header.pixels_at > bytes.size()) {
    return Malformed("its pixels lie beyond its end");
  }
  return header;
}

// Run-length encoded palette indices, one byte each, rows as stored.
absl::StatusOr<std::vector<uint8_t>> ExpandRuns(const Header& header,
                                                absl::string_view runs) {
  const size_t width = header.width;
  const size_t total = width * header.height;
  const bool nibbles = header.compression == kRle4;
  std::vector<uint8_t> indices(total);
  size_t row = 0;
  size_t x = 0;
  const auto put = [&](uint8_t index) {
    // What is too much for its row is left out.
    if (x < width) indices[row * width + x++] = index;
  };
  size_t at = 0;
  while (row < static_cast<size_t>(header.height)) {
    if (at + 2 > runs.size()) return Malformed("its pixels end early");
    const size_t count = static_cast<uint8_t>(runs[at]);
    const auto value = static_cast<uint8_t>(runs[at + 1]);
    at += 2;
    if (count > 0) {
      for (size_t i = 0; i < count; ++i) {
        put(!nibbles
                ? value
                : static_cast<uint8_t>(i % 2 == 0 ? value >> 4 : value & 15));
      }
    } else if (value == 0) {  // The end of a row.
      ++row;
      x = 0;
    } else if (value == 1) {  // The end of the picture.
      break;
    } else if (value == 2) {  // A jump: the skipped pixels stay 0.
      if (at + 2 > runs.size()) return Malformed("its pixels end early");
      x += static_cast<uint8_t>(runs[at]);
      row += static_cast<uint8_t>(runs[at + 1]);
      at += 2;
    } else {  // So many pixels as they are, padded to two bytes.
      const size_t stored = nibbles ? (value + size_t{1}) / 2 : value;
      if (stored > runs.size() - at) return Malformed("its pixels end early");
      for (size_t i = 0; i < value; ++i) {
        const auto byte =
            static_cast<uint8_t>(runs[at + (nibbles ? i / 2 : i)]);
        put(!nibbles
                ? byte
                : static_cast<uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15));
      }
      at += stored + stored % 2;
    }
  }
  const size_t rows = header.height;
  if (row + 1 < rows || (row + 1 == rows && x < width)) {
    return Malformed("its pixels end early");
  }
  return indices;
}

// One row of palette indices, packed from the highest bit.
void PaletteRow(const Header& header, const uint8_t* row, uint8_t* rgb) {
  const uint32_t bits = header.bits;
  for (int x = 0; x < header.width; ++x) {
    const size_t bit = size_t{bits} * x;
    const int index = row[bit / 8] >> (8 - bits - bit % 8) & ((1 << bits) - 1);
    rgb = std::copy(header.palette[index].begin(), header.palette[index].end(),
                    rgb);
  }
}

// One row of 16 bits. Source: Pillow's ImagingUnpackBGR15 and BGR16.
absl::Status Row16(const Header& header, const uint8_t* row, uint8_t* rgb) {
  constexpr std::array<uint32_t, 3> kMasks555 = {0x7c00, 0x3e0, 0x1f};
  constexpr std::array<uint32_t, 3> kMasks565 = {0xf800, 0x7e0, 0x1f};
  const bool six = header.compression == kMasks && header.masks == kMasks565;
  if (header.compression == kMasks && !six && header.masks != kMasks555) {
    return Unsupported("its masks are neither 5-5-5 nor 5-6-5");
  }
  for (int x = 0; x < header.width; ++x, row += 2, rgb += 3) {
    const int pixel = row[0] | row[1] << 8;
    rgb[0] = static_cast<uint8_t>((pixel >> (six ? 11 : 10) & 31) * 255 / 31);
    rgb[1] = static_cast<uint8_t>(six ? (pixel >> 5 & 63) * 255 / 63
                                      : (pixel >> 5 & 31) * 255 / 31);
    rgb[2] = static_cast<uint8_t>((pixel & 31) * 255 / 31);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Image> DecodeBmp(absl::string_view bytes) {
  DIPTYCH_ASSIGN_OR_RETURN(const Header header, ReadHeader(bytes));
  if (header.width < 1 || header.height < 1) {
    return Malformed("it has no pixels");
  }
  const absl::string_view stored = bytes.substr(header.pixels_at);
  const auto row_of = [&](int y) {
    return header.top_down ? y : header.height - 1 - y;
  };
  if (header.compression == kRle8 || header.compression == kRle4) {
    DIPTYCH_ASSIGN_OR_RETURN(const std::vector<uint8_t> indices,
                             ExpandRuns(header, stored));
    Image image(header.width, header.height);
    Header expanded = header;
    expanded.bits = 8;
    for (int y = 0; y < header.height; ++y) {
      PaletteRow(expanded, indices.data() + size_t{1} * header.width * y,
                 image.row(row_of(y)));
    }
    return image;
  }
  // Rows are padded to four bytes.
  const size_t stride =
      (static_cast<size_t>(header.width) * header.bits + 31) / 32 * 4;
  if (stored.size() / stride < static_cast<size_t>(header.height)) {
    return Malformed("its pixels end early");
  }
  DIPTYCH_ASSIGN_OR_RETURN(const ChannelBytes order, ByteOrder(header));
  Image image(header.width, header.height);
  for (int y = 0; y < header.height; ++y) {
    const auto* row =
        reinterpret_cast<const uint8_t*>(stored.data()) + stride * y;
    uint8_t* rgb = image.row(row_of(y));
    if (header.bits <= 8) {
      PaletteRow(header, row, rgb);
    } else if (header.bits == 16) {
      DIPTYCH_RETURN_IF_ERROR(Row16(header, row, rgb));
    } else {
      for (int x = 0; x < header.width; ++x, row += header.bits / 8, rgb += 3) {
        for (size_t channel = 0; channel < 3; ++channel) {
          rgb[channel] = row[order[channel]];
        }
      }
    }
  }
  return image;
}

}  // namespace diptych::inference
