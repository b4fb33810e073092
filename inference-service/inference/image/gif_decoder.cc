#include "inference/image/gif_decoder.h"

#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::inference {
namespace {

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("GIF image is malformed or truncated: ", why));
}

struct FileDeleter {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};

int Read(GifFileType* file, GifByteType* to, int count) {
  auto& rest = *static_cast<absl::string_view*>(file->UserData);
  const size_t given = std::min(rest.size(), static_cast<size_t>(count));
  std::memcpy(to, rest.data(), given);
  rest.remove_prefix(given);
  return static_cast<int>(given);
}

using Colour = std::array<uint8_t, 3>;
using Palette = std::array<Colour, 256>;

// What the file does not give is grey.
Palette PaletteOf(const ColorMapObject* colours) {
  Palette palette;
  for (size_t i = 0; i < palette.size(); ++i) {
    palette[i].fill(static_cast<uint8_t>(i));
  }
  if (colours == nullptr) return palette;
  const int count = std::min(colours->ColorCount, 256);
  for (int i = 0; i < count; ++i) {
    const GifColorType& colour = colours->Colors[i];
    palette[i] = {colour.Red, colour.Green, colour.Blue};
  }
  return palette;
}

// Reads up to the first frame; `transparent` is its transparent index or -1.
absl::Status FindFirstFrame(GifFileType* file, int& transparent) {
  while (true) {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(file, &record) == GIF_ERROR) {
      return Malformed("it has no frame");
    }
    if (record == IMAGE_DESC_RECORD_TYPE) break;
    if (record != EXTENSION_RECORD_TYPE) return Malformed("it has no frame");
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(file, &code, &block) == GIF_ERROR) {
      return Malformed("an extension ends early");
    }
    // The block's first byte is its length.
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 &&
        (block[1] & 1) != 0) {
      transparent = block[4];
    }
    while (block != nullptr) {
      if (DGifGetExtensionNext(file, &block) == GIF_ERROR) {
        return Malformed("an extension ends early");
      }
    }
  }
  return DGifGetImageDesc(file) == GIF_ERROR
             ? Malformed("its first frame ends early")
             : absl::OkStatus();
}

// The order in which an interlaced frame's rows are stored; source: GIF89a,
// appendix E.
std::vector<int> RowOrder(int height, bool interlaced) {
  std::vector<int> rows;
  rows.reserve(height);
  if (!interlaced) {
    for (int y = 0; y < height; ++y) rows.push_back(y);
    return rows;
  }
  constexpr int kPasses[][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  for (const auto& [first, step] : kPasses) {
    for (int y = first; y < height; y += step) rows.push_back(y);
  }
  return rows;
}

}  // namespace

absl::StatusOr<Image> DecodeGif(absl::string_view bytes) {
  int error = 0;
  const std::unique_ptr<GifFileType, FileDeleter> file(
      DGifOpen(&bytes, Read, &error));
  if (file == nullptr) return Malformed("its header ends early");
  int transparent = -1;
  if (absl::Status found = FindFirstFrame(file.get(), transparent);
      !found.ok()) {
    return found;
  }
  const GifImageDesc& frame = file->Image;
  if (frame.Width < 1 || frame.Height < 1) {
    return Malformed("its first frame has no pixels");
  }
  const Palette palette =
      PaletteOf(frame.ColorMap != nullptr ? frame.ColorMap : file->SColorMap);
  Image image(std::max(file->SWidth, frame.Left + frame.Width),
              std::max(file->SHeight, frame.Top + frame.Height));
  const Colour around = palette[std::max(transparent, 0)];
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* pixel = image.row(y);
    for (int x = 0; x < image.width(); ++x, pixel += Image::kChannels) {
      std::copy(around.begin(), around.end(), pixel);
    }
  }
  std::vector<GifPixelType> line(frame.Width);
  for (const int y : RowOrder(frame.Height, frame.Interlace)) {
    if (DGifGetLine(file.get(), line.data(), frame.Width) == GIF_ERROR) {
      return Malformed("its first frame ends early or is damaged");
    }
    uint8_t* pixel = image.row(frame.Top + y) + Image::kChannels * frame.Left;
    for (const GifPixelType index : line) {
      pixel = std::copy(palette[index].begin(), palette[index].end(), pixel);
    }
  }
  return image;
}

}  // namespace diptych::inference
