#include "inference/image/tiff_decoder.h"

#include <tiffio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/image/cmyk.h"

namespace diptych::inference {
namespace {

// What libtiff may allocate at once; the largest picture's rows are far below.
constexpr tmsize_t kAllocationBytesMax = tmsize_t{512} << 20;
constexpr size_t kTileBytesMin = size_t{4} << 20;

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("TIFF image is malformed or truncated: ", why));
}

absl::Status Unsupported(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "TIFF image is of an unsupported kind (", what,
      "); convert it to 8 bits per channel of grey or RGB, or to PNG"));
}

// A file in memory, in libtiff's terms.
struct Input {
  absl::string_view bytes;
  size_t at = 0;
};

tmsize_t Read(thandle_t handle, void* to, tmsize_t count) {
  auto& input = *static_cast<Input*>(handle);
  if (count <= 0 || input.at >= input.bytes.size()) return 0;
  const size_t given =
      std::min(static_cast<size_t>(count), input.bytes.size() - input.at);
  std::memcpy(to, input.bytes.data() + input.at, given);
  input.at += given;
  return static_cast<tmsize_t>(given);
}

toff_t Seek(thandle_t handle, toff_t offset, int whence) {
  auto& input = *static_cast<Input*>(handle);
  if (whence == SEEK_CUR) offset += input.at;
  if (whence == SEEK_END) offset += input.bytes.size();
  input.at = static_cast<size_t>(offset);
  return offset;
}

toff_t Size(thandle_t handle) {
  return static_cast<Input*>(handle)->bytes.size();
}

int IgnoreMessage(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct TiffDeleter {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using TiffFile = std::unique_ptr<TIFF, TiffDeleter>;

TiffFile Open(Input& input) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(
      TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), IgnoreMessage, nullptr);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), IgnoreMessage, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kAllocationBytesMax);
  // "m": no memory map, for which there is no file.
  return TiffFile(TIFFClientOpenExt(
      "image", "rm", &input, Read,
      [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, Seek,
      [](thandle_t) { return 0; }, Size, nullptr, nullptr, options.get()));
}

// How samples lie and what they mean. Source: TIFF 6.0.
struct Layout {
  uint32_t width = 0;
  uint32_t height = 0;
  uint16_t bits = 1;
  uint16_t samples = 1;
  uint16_t photometric = PHOTOMETRIC_MINISWHITE;
  bool planar = false;
  bool premultiplied = false;
  // Of a palette: 2^bits each.
  const uint16_t* colours[3] = {};
};

absl::StatusOr<Layout> ReadLayout(TIFF* tiff) {
  Layout layout;
  if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width) != 1 ||
      TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height) != 1 ||
      layout.width == 0 || layout.height == 0) {
    return Malformed("it has no width and height");
  }
  uint16_t format = SAMPLEFORMAT_UINT;
  uint16_t planar = PLANARCONFIG_CONTIG;
  uint16_t compression = COMPRESSION_NONE;
  uint16_t extra_count = 0;
  const uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  layout.planar = planar == PLANARCONFIG_SEPARATE && layout.samples > 1;
  layout.premultiplied = layout.photometric == PHOTOMETRIC_RGB &&
                         extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
  if (format != SAMPLEFORMAT_UINT) return Unsupported("samples not unsigned");
  if (layout.samples < 1 || layout.samples > kTiffSamplesMax) {
    return Unsupported(absl::StrCat(layout.samples, " samples per pixel"));
  }
  if (layout.premultiplied && (layout.planar || layout.samples < 4)) {
    return Unsupported("premultiplied alpha in planes or instead of a colour");
  }
  if (layout.photometric == PHOTOMETRIC_YCBCR &&
      compression == COMPRESSION_JPEG && !layout.planar) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    layout.photometric = PHOTOMETRIC_RGB;
  }
  const int bits = layout.bits;
  bool known = false;
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      known = (layout.samples == 1 &&
               (bits == 1 || bits == 2 || bits == 4 || bits == 16)) ||
              (layout.samples <= 2 && bits == 8);
      break;
    case PHOTOMETRIC_RGB:
      known = layout.samples >= 3 && (bits == 8 || bits == 16);
      break;
    case PHOTOMETRIC_PALETTE: {
      known = (layout.samples == 1 && (bits == 1 || bits == 2 || bits == 4)) ||
              (layout.samples <= 2 && bits == 8);
      uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
      if (known &&
          TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue) != 1) {
        return Malformed("it has no palette");
      }
      layout.colours[0] = red;
      layout.colours[1] = green;
      layout.colours[2] = blue;
      break;
    }
    case PHOTOMETRIC_SEPARATED:
      known = layout.samples >= 4 && bits == 8;
      break;
    default:
      break;
  }
  if (!known) {
    return Unsupported(absl::StrCat("photometric interpretation ",
                                    layout.photometric, ", ", layout.samples,
                                    " samples of ", bits, " bits"));
  }
  return layout;
}

// Samples to pixels. `row` holds the samples of `count` pixels, `stride` apart.
class RowConverter {
 public:
  explicit RowConverter(const Layout& layout) : layout_(layout) {}

  void Convert(const uint8_t* row, int count, uint8_t* rgb) const {
    switch (layout_.photometric) {
      case PHOTOMETRIC_RGB:
        return ConvertRgb(row, count, rgb);
      case PHOTOMETRIC_SEPARATED:
        return ConvertCmyk(row, count, rgb);
      default:
        return ConvertSingle(row, count, rgb);
    }
  }

 private:
  // The upper byte of a sample; libtiff gives 16 bits in the machine's order.
  uint8_t HighByte(const uint8_t* row, size_t sample) const {
    if (layout_.bits == 8) return row[sample];
    return static_cast<uint8_t>(Sample16(row, sample) >> 8);
  }
  static uint16_t Sample16(const uint8_t* row, size_t sample) {
    uint16_t value = 0;
    std::memcpy(&value, row + 2 * sample, sizeof(value));
    return value;
  }

  void ConvertRgb(const uint8_t* row, int count, uint8_t* rgb) const {
    for (int i = 0; i < count; ++i, rgb += 3) {
      const size_t first = size_t{layout_.samples} * i;
      const int alpha = layout_.premultiplied ? HighByte(row, first + 3) : 255;
      for (size_t channel = 0; channel < 3; ++channel) {
        const int value = HighByte(row, first + channel);
        // Pillow's unpackRGBa (src/libImaging/Unpack.c).
        rgb[channel] = static_cast<uint8_t>(
            alpha == 0 ? 0 : std::min(value * 255 / alpha, 255));
      }
    }
  }

  void ConvertCmyk(const uint8_t* row, int count, uint8_t* rgb) const {
    for (int i = 0; i < count; ++i, row += layout_.samples, rgb += 3) {
      CmykToRgb({row[0], row[1], row[2], row[3]}, rgb);
    }
  }

  // Grey or an index into the palette, in the first sample.
  void ConvertSingle(const uint8_t* row, int count, uint8_t* rgb) const {
    const int bits = layout_.bits;
    const bool palette = layout_.photometric == PHOTOMETRIC_PALETTE;
    // Pillow takes 16-bit samples as they are, whatever white is.
    const bool inverted =
        layout_.photometric == PHOTOMETRIC_MINISWHITE && bits < 16;
    const int highest = (1 << std::min(bits, 8)) - 1;
    for (int i = 0; i < count; ++i, rgb += 3) {
      int value = 0;
      if (bits == 16) {
        value = std::min<int>(Sample16(row, i), 255);
      } else if (bits == 8) {
        value = row[size_t{layout_.samples} * i];
      } else {
        const size_t at = size_t{layout_.bits} * i;
        value = row[at / 8] >> (8 - bits - static_cast<int>(at % 8)) & highest;
      }
      if (palette) {
        for (int channel = 0; channel < 3; ++channel) {
          rgb[channel] =
              static_cast<uint8_t>(layout_.colours[channel][value] >> 8);
        }
        continue;
      }
      if (inverted) value = highest - value;
      rgb[0] = rgb[1] = rgb[2] = static_cast<uint8_t>(value * 255 / highest);
    }
  }

  const Layout& layout_;
};

// Puts the samples of one plane into their place among those of all.
void Interleave(const uint8_t* plane, int count, const Layout& layout,
                size_t sample, uint8_t* row) {
  const size_t bytes = layout.bits / 8;
  for (int i = 0; i < count; ++i) {
    std::memcpy(row + (size_t{layout.samples} * i + sample) * bytes,
                plane + bytes * i, bytes);
  }
}

absl::Status ReadStrips(TIFF* tiff, const Layout& layout, Image& image) {
  const RowConverter converter(layout);
  const tmsize_t line_bytes = TIFFScanlineSize(tiff);
  const size_t pixel_bits =
      size_t{layout.bits} * (layout.planar ? 1 : layout.samples);
  if (line_bytes <= 0 ||
      static_cast<size_t>(line_bytes) < (pixel_bits * layout.width + 7) / 8) {
    return Malformed("its rows have an unexpected length");
  }
  std::vector<uint8_t> line(static_cast<size_t>(line_bytes));
  if (!layout.planar) {
    for (uint32_t y = 0; y < layout.height; ++y) {
      if (TIFFReadScanline(tiff, line.data(), y, 0) != 1) {
        return Malformed("its data ends early or is damaged");
      }
      converter.Convert(line.data(), image.width(),
                        image.row(static_cast<int>(y)));
    }
    return absl::OkStatus();
  }
  // Planes lie one after the other, and compressed ones are read forwards only.
  const size_t row_bytes =
      size_t{layout.samples} * layout.width * (layout.bits / 8);
  std::vector<uint8_t> rows(row_bytes * layout.height);
  for (uint16_t sample = 0; sample < layout.samples; ++sample) {
    for (uint32_t y = 0; y < layout.height; ++y) {
      if (TIFFReadScanline(tiff, line.data(), y, sample) != 1) {
        return Malformed("its data ends early or is damaged");
      }
      Interleave(line.data(), image.width(), layout, sample,
                 rows.data() + row_bytes * y);
    }
  }
  for (uint32_t y = 0; y < layout.height; ++y) {
    converter.Convert(rows.data() + row_bytes * y, image.width(),
                      image.row(static_cast<int>(y)));
  }
  return absl::OkStatus();
}

absl::Status ReadTiles(TIFF* tiff, const Layout& layout, Image& image) {
  const RowConverter converter(layout);
  uint32_t tile_width = 0;
  uint32_t tile_height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
  const tmsize_t tile_bytes = TIFFTileSize(tiff);
  const tmsize_t tile_row = TIFFTileRowSize(tiff);
  const size_t pixel_bits =
      size_t{layout.bits} * (layout.planar ? 1 : layout.samples);
  const size_t allowed =
      std::max(kTileBytesMin, size_t{16} * layout.width * layout.height);
  if (tile_width == 0 || tile_height == 0 || tile_bytes <= 0 ||
      static_cast<size_t>(tile_bytes) > allowed || tile_row <= 0 ||
      static_cast<size_t>(tile_row) < (pixel_bits * tile_width + 7) / 8 ||
      static_cast<size_t>(tile_bytes) <
          static_cast<size_t>(tile_row) * tile_height) {
    return Malformed("its tiles have an unexpected size");
  }
  const uint16_t planes = layout.planar ? layout.samples : 1;
  std::vector<uint8_t> tile(static_cast<size_t>(tile_bytes));
  std::vector<uint8_t> all(layout.planar ? tile.size() * planes : 0);
  const size_t all_row = static_cast<size_t>(tile_row) * planes;
  for (uint32_t y = 0; y < layout.height; y += tile_height) {
    const uint32_t rows = std::min(tile_height, layout.height - y);
    for (uint32_t x = 0; x < layout.width; x += tile_width) {
      const auto count =
          static_cast<int>(std::min(tile_width, layout.width - x));
      for (uint16_t plane = 0; plane < planes; ++plane) {
        if (TIFFReadTile(tiff, tile.data(), x, y, 0, plane) < 0) {
          return Malformed("its data ends early or is damaged");
        }
        for (uint32_t row = 0; row < rows && layout.planar; ++row) {
          Interleave(tile.data() + static_cast<size_t>(tile_row) * row, count,
                     layout, plane, all.data() + all_row * row);
        }
      }
      for (uint32_t row = 0; row < rows; ++row) {
        const uint8_t* const samples =
            layout.planar ? all.data() + all_row * row
                          : tile.data() + static_cast<size_t>(tile_row) * row;
        converter.Convert(samples, count,
                          image.row(static_cast<int>(y + row)) +
                              size_t{Image::kChannels} * x);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Image> DecodeTiff(absl::string_view bytes) {
  Input input{bytes};
  const TiffFile tiff = Open(input);
  if (tiff == nullptr) return Malformed("its header cannot be read");
  DIPTYCH_ASSIGN_OR_RETURN(const Layout layout, ReadLayout(tiff.get()));
  Image image(static_cast<int>(layout.width), static_cast<int>(layout.height));
  DIPTYCH_RETURN_IF_ERROR(TIFFIsTiled(tiff.get()) != 0
                              ? ReadTiles(tiff.get(), layout, image)
                              : ReadStrips(tiff.get(), layout, image));
  return image;
}

}  // namespace diptych::inference
