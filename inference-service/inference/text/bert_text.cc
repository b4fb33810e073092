#include "inference/text/bert_text.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/unicode_text.h"
#include "unicode/uchar.h"

namespace diptych::inference {
namespace {

// The library's tables of categories are those of Unicode 8: what came later is
// unassigned there, which is neither control nor punctuation.
bool IsInTables(Character character) {
  UVersionInfo age;
  u_charAge(character, age);
  return age[0] != 0 && age[0] <= 8;
}

bool IsControl(Character character) {
  constexpr uint32_t kCategories = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK;
  return (U_GET_GC_MASK(character) & kCategories) != 0 && IsInTables(character);
}

bool IsChinese(Character c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

bool IsPunctuation(Character c) {
  const bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) ||
                     (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  // Two whose category has changed since.
  if (ascii || c == 0x166d || c == 0x111c9) return true;
  return (U_GET_GC_MASK(c) & U_GC_P_MASK) != 0 && IsInTables(c);
}

std::string Clean(absl::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const Character c = NextCharacter(text, at);
    if (c == '\t' || c == '\n' || c == '\r') {
      clean.push_back(' ');
    } else if (c == 0 || c == 0xfffd || IsControl(c)) {
      continue;
    } else if (IsWhiteSpace(c)) {
      clean.push_back(' ');
    } else {
      absl::StrAppend(&clean, text.substr(begin, at - begin));
    }
  }
  return clean;
}

// Of what NFD has taken apart, the letters without their accents.
std::string WithoutAccents(absl::string_view text) {
  std::string rest;
  rest.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const Character c = NextCharacter(text, at);
    if (u_charType(c) == U_NON_SPACING_MARK && IsInTables(c)) continue;
    absl::StrAppend(&rest, text.substr(begin, at - begin));
  }
  return rest;
}

std::string SplitChinese(absl::string_view text) {
  std::string split;
  split.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const bool chinese = IsChinese(NextCharacter(text, at));
    if (chinese) split.push_back(' ');
    absl::StrAppend(&split, text.substr(begin, at - begin));
    if (chinese) split.push_back(' ');
  }
  return split;
}

}  // namespace

absl::StatusOr<std::string> NormalizeBertText(absl::string_view text,
                                              const BertTextOptions& options) {
  std::string normalized(text);
  if (options.clean_text) normalized = Clean(normalized);
  if (options.split_chinese) normalized = SplitChinese(normalized);
  if (options.strip_accents) {
    DIPTYCH_ASSIGN_OR_RETURN(normalized,
                             Normalize(NormalForm::kNfd, normalized));
    normalized = WithoutAccents(normalized);
  }
  if (options.lowercase) normalized = LowerCase(normalized);
  return normalized;
}

std::vector<absl::string_view> SplitBertWords(absl::string_view text) {
  std::vector<absl::string_view> words;
  size_t word = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const Character c = NextCharacter(text, at);
    const bool space = IsWhiteSpace(c);
    if (!space && !IsPunctuation(c)) continue;
    if (begin > word) words.push_back(text.substr(word, begin - word));
    if (!space) words.push_back(text.substr(begin, at - begin));
    word = at;
  }
  if (text.size() > word) words.push_back(text.substr(word));
  return words;
}

}  // namespace diptych::inference
