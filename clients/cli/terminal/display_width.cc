#include "cli/terminal/display_width.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "absl/strings/str_cat.h"

namespace diptych::cli {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";
constexpr absl::string_view kEllipsis = "\xE2\x80\xA6";

int CharacterWidth(UChar32 character) {
  if (character < 0) return 1;
  switch (u_charType(character)) {
    case U_NON_SPACING_MARK:
    case U_ENCLOSING_MARK:
    case U_FORMAT_CHAR:
      return 0;
    default:
      break;
  }
  const int width = u_getIntPropertyValue(character, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_FULLWIDTH || width == U_EA_WIDE ? 2 : 1;
}

// Calls `visit(character, bytes)` for each character; a negative character
// stands for bytes that are not UTF-8. Stops when `visit` answers false.
template <typename Visit>
void ForEachCharacter(absl::string_view utf8, Visit visit) {
  const auto* data = reinterpret_cast<const uint8_t*>(utf8.data());
  const int32_t size = static_cast<int32_t>(utf8.size());
  for (int32_t position = 0; position < size;) {
    const int32_t start = position;
    UChar32 character;
    U8_NEXT(data, position, size, character);
    if (!visit(character, utf8.substr(start, position - start))) return;
  }
}

}  // namespace

int DisplayWidth(absl::string_view utf8) {
  int width = 0;
  ForEachCharacter(utf8, [&width](UChar32 character, absl::string_view) {
    width += CharacterWidth(character);
    return true;
  });
  return width;
}

std::string Printable(absl::string_view utf8) {
  std::string result;
  ForEachCharacter(utf8, [&result](UChar32 character, absl::string_view bytes) {
    if (character == '\n' || character == '\r' || character == '\t') {
      result += ' ';
    } else if (character < 0 || u_charType(character) == U_CONTROL_CHAR) {
      absl::StrAppend(&result, kReplacement);
    } else {
      absl::StrAppend(&result, bytes);
    }
    return true;
  });
  return result;
}

std::string FitToWidth(absl::string_view utf8, int columns) {
  if (DisplayWidth(utf8) <= columns) return std::string(utf8);
  std::string result;
  int width = 0;
  ForEachCharacter(utf8, [&](UChar32 character, absl::string_view bytes) {
    width += CharacterWidth(character);
    if (width > columns - 1) return false;
    absl::StrAppend(&result, bytes);
    return true;
  });
  absl::StrAppend(&result, kEllipsis);
  return result;
}

}  // namespace diptych::cli
