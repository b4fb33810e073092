#include "inference/text/clip_words.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/unicode_text.h"
#include "unicode/uchar.h"

namespace diptych::inference {
namespace {

enum class Kind { kSpace, kLetter, kNumber, kOther };

Kind KindOf(Character character) {
  if (IsWhiteSpace(character)) return Kind::kSpace;
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
    size_t end = 0;
    const Kind kind = KindOf(NextCharacter(text, end));
    const bool run = kind == Kind::kLetter || kind == Kind::kOther;
    while (run && end < text.size()) {
      size_t next = end;
      if (KindOf(NextCharacter(text, next)) != kind) break;
      end = next;
    }
    if (kind != Kind::kSpace) AppendWord(text.substr(0, end), words);
    text.remove_prefix(end);
  }
}

}  // namespace

absl::StatusOr<std::string> NormalizeForClip(absl::string_view text) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string composed,
                           Normalize(NormalForm::kNfc, text));
  return LowerCase(composed);
}

absl::StatusOr<std::vector<ClipWord>> SplitClipWords(
    absl::string_view text, const AddedTokens& added_tokens,
    SpeltToken spelt_token) {
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is not valid UTF-8 at byte ", valid));
  }
  std::vector<ClipWord> words;
  for (const TextPart& part : added_tokens.CutPlain(text)) {
    if (part.added_id >= 0) {
      words.push_back({"", part.added_id});
      continue;
    }
    DIPTYCH_ASSIGN_OR_RETURN(const std::string normalized,
                             NormalizeForClip(part.text));
    for (const TextPart& inner : added_tokens.CutNormalized(normalized)) {
      if (inner.added_id >= 0) {
        words.push_back({"", inner.added_id});
      } else {
        SplitByPattern(inner.text, spelt_token, words);
      }
    }
  }
  return words;
}

}  // namespace diptych::inference
