#include "inference/text/clip_words.h"

#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "unicode/bytestream.h"
#include "unicode/normalizer2.h"
#include "unicode/stringpiece.h"
#include "unicode/uchar.h"
#include "unicode/utf8.h"

namespace diptych::inference {
namespace {

// Offset of the first invalid byte, or the text's size when it is valid UTF-8.
size_t ValidPrefix(absl::string_view text) {
  const auto size = static_cast<int32_t>(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  int32_t at = 0;
  while (at < size) {
    const int32_t begin = at;
    UChar32 character;
    U8_NEXT(bytes, at, size, character);
    if (character < 0) return static_cast<size_t>(begin);
  }
  return text.size();
}

UChar32 NextCharacter(absl::string_view text, int32_t& at) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  UChar32 character;
  U8_NEXT_UNSAFE(bytes, at, character);
  return character;
}

void AppendCharacter(UChar32 character, std::string& text) {
  uint8_t bytes[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, character);
  text.append(reinterpret_cast<const char*>(bytes), length);
}

absl::StatusOr<std::string> Normalize(absl::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU has no NFC data: ", u_errorName(error)));
  }
  std::string composed;
  icu::StringByteSink<std::string> sink(&composed);
  nfc->normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
      nullptr, error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU cannot normalise a text: ", u_errorName(error)));
  }
  std::string lower;
  for (int32_t at = 0; at < static_cast<int32_t>(composed.size());) {
    const UChar32 character = NextCharacter(composed, at);
    // Each character by itself, without the rule for a final sigma. U+0130 is
    // the only one whose full mapping differs from the simple one.
    if (character == 0x130) {
      lower += "i\xcc\x87";
    } else {
      AppendCharacter(u_tolower(character), lower);
    }
  }
  return lower;
}

enum class Kind { kSpace, kLetter, kNumber, kOther };

Kind KindOf(UChar32 character) {
  if (u_isUWhiteSpace(character)) return Kind::kSpace;
  const uint32_t category = U_GET_GC_MASK(character);
  if ((category & U_GC_L_MASK) != 0) return Kind::kLetter;
  if ((category & U_GC_N_MASK) != 0) return Kind::kNumber;
  return Kind::kOther;
}

void AppendWord(absl::string_view word, std::vector<ClipWord>& words) {
  words.push_back({std::string(word), -1});
}

// Matches one of the pattern's literals at the start of `text`, appends its
// words and returns its length; 0 when none matches.
size_t MatchLiteral(absl::string_view text, SpeltToken spelt_token,
                    std::vector<ClipWord>& words) {
  for (const absl::string_view token : {absl::string_view("<|startoftext|>"),
                                        absl::string_view("<|endoftext|>")}) {
    if (spelt_token == SpeltToken::kPlain) break;
    if (!absl::StartsWith(text, token)) continue;
    if (spelt_token == SpeltToken::kThreeWords) {
      AppendWord("<|", words);
      AppendWord(token.substr(2, token.size() - 4), words);
      AppendWord("|>", words);
    } else {
      AppendWord(token, words);
    }
    return token.size();
  }
  for (const absl::string_view ending :
       {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (!absl::StartsWith(text, ending)) continue;
    AppendWord(ending, words);
    return ending.size();
  }
  return 0;
}

void SplitByPattern(absl::string_view text, SpeltToken spelt_token,
                    std::vector<ClipWord>& words) {
  while (!text.empty()) {
    if (const size_t length = MatchLiteral(text, spelt_token, words);
        length > 0) {
      text.remove_prefix(length);
      continue;
    }
    int32_t end = 0;
    const Kind kind = KindOf(NextCharacter(text, end));
    const bool run = kind == Kind::kLetter || kind == Kind::kOther;
    while (run && end < static_cast<int32_t>(text.size())) {
      int32_t next = end;
      if (KindOf(NextCharacter(text, next)) != kind) break;
      end = next;
    }
    if (kind != Kind::kSpace) AppendWord(text.substr(0, end), words);
    text.remove_prefix(end);
  }
}

// Calls `plain` with the parts of `text` between added tokens whose
// `normalized` is as given, and appends those tokens. Of tokens at one place
// the longest counts.
template <typename Plain>
absl::Status CutAddedTokens(absl::string_view text,
                            const std::vector<AddedToken>& added_tokens,
                            bool normalized, Plain plain,
                            std::vector<ClipWord>& words) {
  while (!text.empty()) {
    size_t at = absl::string_view::npos;
    const AddedToken* first = nullptr;
    for (const AddedToken& token : added_tokens) {
      if (token.normalized != normalized) continue;
      const size_t found = text.find(token.content);
      const bool longer = first != nullptr && found == at &&
                          token.content.size() > first->content.size();
      if (found < at || (found != absl::string_view::npos && longer)) {
        at = found;
        first = &token;
      }
    }
    DIPTYCH_RETURN_IF_ERROR(plain(text.substr(0, at)));
    if (first == nullptr) break;
    words.push_back({"", first->id});
    text.remove_prefix(at + first->content.size());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ClipWord>> SplitClipWords(
    absl::string_view text, const std::vector<AddedToken>& added_tokens,
    SpeltToken spelt_token) {
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is too long: ", text.size(), " bytes"));
  }
  if (const size_t valid = ValidPrefix(text); valid < text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is not valid UTF-8 at byte ", valid));
  }
  std::vector<ClipWord> words;
  const auto split_plain = [&](absl::string_view part) -> absl::Status {
    SplitByPattern(part, spelt_token, words);
    return absl::OkStatus();
  };
  const auto normalize_and_split = [&](absl::string_view part) -> absl::Status {
    DIPTYCH_ASSIGN_OR_RETURN(const std::string normalized, Normalize(part));
    return CutAddedTokens(normalized, added_tokens, true, split_plain, words);
  };
  DIPTYCH_RETURN_IF_ERROR(
      CutAddedTokens(text, added_tokens, false, normalize_and_split, words));
  return words;
}

}  // namespace diptych::inference
