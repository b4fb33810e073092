#include "storage/types/utf8.h"

#include <cstddef>
#include <cstdint>

namespace diptych::storage {

bool IsValidUtf8(absl::string_view bytes) {
  size_t position = 0;
  while (position < bytes.size()) {
    const auto lead = static_cast<uint8_t>(bytes[position]);
    if (lead < 0x80) {
      ++position;
      continue;
    }
    size_t length;
    uint32_t code, smallest;
    if ((lead & 0xe0) == 0xc0) {
      length = 2, code = lead & 0x1f, smallest = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      length = 3, code = lead & 0x0f, smallest = 0x800;
    } else if ((lead & 0xf8) == 0xf0) {
      length = 4, code = lead & 0x07, smallest = 0x10000;
    } else {
      return false;
    }
    if (bytes.size() - position < length) return false;
    for (size_t i = 1; i < length; ++i) {
      const auto next = static_cast<uint8_t>(bytes[position + i]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if (code < smallest || code > 0x10ffff) return false;
    if (code >= 0xd800 && code <= 0xdfff) return false;
    position += length;
  }
  return true;
}

}  // namespace diptych::storage
