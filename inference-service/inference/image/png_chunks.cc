#include "inference/image/png_chunks.h"

#include <cstddef>
#include <cstdint>

namespace diptych::inference {
namespace {

constexpr size_t kSignatureBytes = 8;
// Length, type and CRC around a chunk's data.
constexpr size_t kChunkFrameBytes = 12;

bool ChangesPixels(absl::string_view type) {
  return type == "IHDR" || type == "PLTE" || type == "tRNS" || type == "IDAT" ||
         type == "IEND";
}

}  // namespace

std::string KeepPixelChunks(absl::string_view png) {
  std::string kept(png.substr(0, kSignatureBytes));
  kept.reserve(png.size());
  absl::string_view rest = png.substr(kept.size());
  while (rest.size() >= kChunkFrameBytes) {
    size_t length = 0;
    for (int i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<uint8_t>(rest[i]);
    }
    if (length > rest.size() - kChunkFrameBytes) break;
    const absl::string_view chunk = rest.substr(0, length + kChunkFrameBytes);
    if (ChangesPixels(chunk.substr(4, 4))) {
      kept.append(chunk.data(), chunk.size());
    }
    rest.remove_prefix(chunk.size());
  }
  kept.append(rest.data(), rest.size());
  return kept;
}

}  // namespace diptych::inference
