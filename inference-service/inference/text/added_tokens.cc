#include "inference/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/unicode_text.h"
#include "unicode/uchar.h"
#include "unicode/utf8.h"

namespace diptych::inference {
namespace {

// The class \w of regular expressions.
bool IsWord(Character character) {
  constexpr uint32_t kCategories = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_isUAlphabetic(character) ||
         (U_GET_GC_MASK(character) & kCategories) != 0 ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

bool EndsWithWord(absl::string_view text) {
  if (text.empty()) return false;
  size_t at = text.size();
  UChar32 character;
  U8_PREV_UNSAFE(reinterpret_cast<const uint8_t*>(text.data()), at, character);
  return IsWord(character);
}

bool StartsWithWord(absl::string_view text) {
  size_t at = 0;
  return !text.empty() && IsWord(NextCharacter(text, at));
}

}  // namespace

absl::StatusOr<AddedTokens> AddedTokens::Create(
    const std::vector<AddedToken>& tokens) {
  if (tokens.size() > kTokensMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "at most ", kTokensMax, " added tokens are read: ", tokens.size()));
  }
  AddedTokens result;
  for (const bool normalized : {false, true}) {
    Set& set = normalized ? result.normalized_ : result.plain_;
    for (const AddedToken& token : tokens) {
      if (token.normalized != normalized) continue;
      if (token.content.empty() || token.content.size() > kTokenBytesMax ||
          ValidUtf8Prefix(token.content) < token.content.size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "an added token must be UTF-8 of 1 to ", kTokenBytesMax,
            " bytes; token ", token.id, " has ", token.content.size()));
      }
      set.tokens.push_back(token);
    }
    // The first of those given twice counts.
    std::stable_sort(set.tokens.begin(), set.tokens.end(),
                     [](const AddedToken& a, const AddedToken& b) {
                       return a.content < b.content;
                     });
    const auto same = [](const AddedToken& a, const AddedToken& b) {
      return a.content == b.content && a.id == b.id;
    };
    set.tokens.erase(std::unique(set.tokens.begin(), set.tokens.end(), same),
                     set.tokens.end());
    std::vector<std::pair<std::string, int32_t>> contents;
    for (size_t i = 0; i < set.tokens.size(); ++i) {
      contents.emplace_back(set.tokens[i].content, static_cast<int32_t>(i));
    }
    auto trie = TokenTrie::Create(std::move(contents));
    if (!trie.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("added tokens: ", trie.status().message()));
    }
    set.trie = *std::move(trie);
  }
  return result;
}

std::vector<TextPart> AddedTokens::Set::Cut(absl::string_view text) const {
  std::vector<TextPart> parts;
  // Up to here the text is in `parts`.
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !tokens.empty();) {
    const auto [index, length] = trie.LongestPrefix(text.substr(at));
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens[static_cast<size_t>(index)];
    size_t begin = at;
    size_t end = at + length;
    at = end;  // Also where the token does not count.
    if (token.single_word && (EndsWithWord(text.substr(0, begin)) ||
                              StartsWithWord(text.substr(end)))) {
      continue;
    }
    if (token.strip_before && begin > done) {
      begin =
          done + StripWhiteSpaceBehind(text.substr(done, begin - done)).size();
    }
    if (token.strip_behind) {
      end = text.size() - StripWhiteSpaceBefore(text.substr(end)).size();
    }
    if (begin > done) parts.push_back({text.substr(done, begin - done), -1});
    parts.push_back({text.substr(begin, end - begin), token.id});
    done = end;
    at = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

}  // namespace diptych::inference
