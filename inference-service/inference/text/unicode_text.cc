#include "inference/text/unicode_text.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "inference/text/tokenizer.h"
#include "unicode/bytestream.h"
#include "unicode/locid.h"
#include "unicode/normalizer2.h"
#include "unicode/stringpiece.h"
#include "unicode/uchar.h"
#include "unicode/unistr.h"
#include "unicode/utf8.h"

namespace diptych::inference {
namespace {

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

const icu::Normalizer2* Normalizer(NormalForm form, UErrorCode& error) {
  switch (form) {
    case NormalForm::kNfc:
      return icu::Normalizer2::getNFCInstance(error);
    case NormalForm::kNfd:
      return icu::Normalizer2::getNFDInstance(error);
    case NormalForm::kNfkc:
      return icu::Normalizer2::getNFKCInstance(error);
    case NormalForm::kNfkd:
      return icu::Normalizer2::getNFKDInstance(error);
  }
  return nullptr;
}

}  // namespace

size_t ValidUtf8Prefix(absl::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t begin = at;
    UChar32 character;
    U8_NEXT(Bytes(text), at, text.size(), character);
    if (character < 0) return begin;
  }
  return text.size();
}

absl::Status CheckText(absl::string_view text) {
  if (text.size() > Tokenizer::kTextBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is longer than the allowed ",
                     Tokenizer::kTextBytesMax, " bytes: ", text.size()));
  }
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is not valid UTF-8 at byte ", valid));
  }
  return absl::OkStatus();
}

Character NextCharacter(absl::string_view text, size_t& at) {
  UChar32 character;
  U8_NEXT_UNSAFE(Bytes(text), at, character);
  return character;
}

void AppendCharacter(Character character, std::string& text) {
  uint8_t bytes[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, character);
  text.append(reinterpret_cast<const char*>(bytes), length);
}

bool IsWhiteSpace(Character character) {
  return u_isUWhiteSpace(character) != 0;
}

absl::string_view StripWhiteSpaceBefore(absl::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    if (!IsWhiteSpace(NextCharacter(text, next))) break;
    at = next;
  }
  return text.substr(at);
}

absl::string_view StripWhiteSpaceBehind(absl::string_view text) {
  while (!text.empty()) {
    size_t at = text.size();
    UChar32 character;
    U8_PREV_UNSAFE(Bytes(text), at, character);
    if (!IsWhiteSpace(character)) break;
    text = text.substr(0, at);
  }
  return text;
}

absl::StatusOr<std::string> Normalize(NormalForm form, absl::string_view text) {
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is too long: ", text.size(), " bytes"));
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = Normalizer(form, error);
  if (U_FAILURE(error) || normalizer == nullptr) {
    return absl::InternalError(
        absl::StrCat("ICU has no normalisation data: ", u_errorName(error)));
  }
  std::string normalized;
  icu::StringByteSink<std::string> sink(&normalized);
  normalizer->normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
      nullptr, error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU cannot normalise a text: ", u_errorName(error)));
  }
  return normalized;
}

std::string LowerCaseInContext(absl::string_view text) {
  std::string lower;
  icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())))
      .toLower(icu::Locale::getRoot())
      .toUTF8String(lower);
  return lower;
}

std::string LowerCase(absl::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character character = NextCharacter(text, at);
    // The only one whose full mapping differs from the simple one.
    if (character == 0x130) {
      lower += "i\xcc\x87";
    } else {
      AppendCharacter(u_tolower(character), lower);
    }
  }
  return lower;
}

}  // namespace diptych::inference
