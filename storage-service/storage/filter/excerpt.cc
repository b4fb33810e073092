#include "storage/filter/excerpt.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

constexpr size_t kExcerptBytes = 64;

}  // namespace

std::string Excerpt(absl::string_view text) {
  if (text.size() <= kExcerptBytes) return std::string(text);
  size_t end = kExcerptBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return absl::StrCat(text.substr(0, end), "...");
}

size_t FindInvalidUtf8(absl::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    const auto lead = static_cast<unsigned char>(text[position]);
    size_t length = 0;
    uint32_t code = 0, code_min = 0;
    if (lead < 0x80) {
      ++position;
      continue;
    } else if ((lead & 0xE0) == 0xC0) {
      length = 2, code = lead & 0x1F, code_min = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
      length = 3, code = lead & 0x0F, code_min = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
      length = 4, code = lead & 0x07, code_min = 0x10000;
    } else {
      return position;
    }
    if (text.size() - position < length) return position;
    for (size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[position + i]);
      if ((next & 0xC0) != 0x80) return position;
      code = code << 6 | (next & 0x3F);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < code_min || code > 0x10FFFF || surrogate) return position;
    position += length;
  }
  return position;
}

}  // namespace diptych::storage
