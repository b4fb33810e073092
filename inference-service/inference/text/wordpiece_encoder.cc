#include "inference/text/wordpiece_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/text/bert_text.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {

absl::StatusOr<WordpieceVocabulary> ParseWordpieceVocabulary(
    absl::string_view text) {
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("vocab.txt is not valid UTF-8 at byte ", valid));
  }
  WordpieceVocabulary vocabulary;
  int32_t id = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripSuffix(line, "\r");
    // Of a token given twice the last line counts.
    if (!line.empty()) vocabulary.ids[line] = id;
    ++id;
  }
  if (vocabulary.ids.empty()) {
    return absl::InvalidArgumentError("vocab.txt is empty");
  }
  return vocabulary;
}

absl::StatusOr<std::unique_ptr<const TextEncoder>> WordpieceEncoder::Create(
    const WordpieceVocabulary& vocabulary, TextNormalizer normalizer) {
  if (vocabulary.word_characters_max < 1 ||
      vocabulary.word_characters_max >
          WordpieceVocabulary::kWordCharactersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"max_input_chars_per_word\" must be 1 to ",
                     WordpieceVocabulary::kWordCharactersMax, ": ",
                     vocabulary.word_characters_max));
  }
  const auto unknown = vocabulary.ids.find(vocabulary.unknown_token);
  if (unknown == vocabulary.ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the WordPiece vocabulary lacks its unknown token ",
                     vocabulary.unknown_token));
  }
  std::vector<std::pair<std::string, int32_t>> first;
  std::vector<std::pair<std::string, int32_t>> inner;
  for (const auto& [token, id] : vocabulary.ids) {
    if (token.empty()) continue;
    first.emplace_back(token, id);
    absl::string_view rest = token;
    if (absl::ConsumePrefix(&rest, vocabulary.prefix) && !rest.empty()) {
      inner.emplace_back(rest, id);
    }
  }
  auto encoder = absl::WrapUnique(new WordpieceEncoder());
  DIPTYCH_ASSIGN_OR_RETURN(encoder->first_,
                           TokenTrie::Create(std::move(first)));
  DIPTYCH_ASSIGN_OR_RETURN(encoder->inner_,
                           TokenTrie::Create(std::move(inner)));
  encoder->normalizer_ = std::move(normalizer);
  encoder->unknown_id_ = unknown->second;
  encoder->word_characters_max_ = vocabulary.word_characters_max;
  return std::unique_ptr<const TextEncoder>(std::move(encoder));
}

void WordpieceEncoder::Encode(absl::string_view text, bool /*at_beginning*/,
                              size_t most, std::vector<int32_t>& ids) const {
  for (const absl::string_view word : SplitBertWords(text)) {
    if (ids.size() > most) return;
    EncodeWord(word, ids);
  }
}

void WordpieceEncoder::EncodeWord(absl::string_view word,
                                  std::vector<int32_t>& ids) const {
  const auto characters = std::count_if(
      word.begin(), word.end(),
      [](char byte) { return (static_cast<uint8_t>(byte) & 0xc0) != 0x80; });
  const size_t before = ids.size();
  bool known = characters <= word_characters_max_;
  const TokenTrie* tokens = &first_;
  while (known && !word.empty()) {
    const auto [id, length] = tokens->LongestPrefix(word);
    known = id >= 0;
    ids.push_back(id);
    word.remove_prefix(length);
    tokens = &inner_;
  }
  if (known) return;
  ids.resize(before);
  ids.push_back(unknown_id_);
}

}  // namespace diptych::inference
