#include "cli/terminal/utf8.h"

#include <unicode/utf8.h>

namespace diptych::cli {

bool IsUtf8(absl::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const int32_t size = static_cast<int32_t>(bytes.size());
  for (int32_t position = 0; position < size;) {
    UChar32 character;
    U8_NEXT(data, position, size, character);
    if (character < 0) return false;
  }
  return true;
}

}  // namespace diptych::cli
