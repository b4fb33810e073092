// WordPiece, the tokeniser of BERT and its kin.
//
// Operation: a text's words (bert_text.h) are cut into the longest tokens of
// the vocabulary from left to right, where tokens inside a word have a prefix;
// a word that cannot be cut so, or has too many characters, is the unknown
// token. Source: Hugging Face tokenizers, models/wordpiece/mod.rs.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: words of at most kWordCharactersMax characters are looked up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "inference/text/pipeline_tokenizer.h"
#include "inference/text/text_normalizer.h"
#include "inference/text/token_trie.h"

namespace diptych::inference {

struct WordpieceVocabulary {
  static constexpr int kWordCharactersMax = 1000;

  absl::flat_hash_map<std::string, int32_t> ids;
  std::string unknown_token = "[UNK]";
  // Of tokens inside a word.
  std::string prefix = "##";
  // A longer word is the unknown token.
  int word_characters_max = 100;
};

// A vocab.txt: a token per line, the first has id 0. INVALID_ARGUMENT when it
// is no UTF-8 or empty.
absl::StatusOr<WordpieceVocabulary> ParseWordpieceVocabulary(
    absl::string_view text);

class WordpieceEncoder final : public TextEncoder {
 public:
  // INVALID_ARGUMENT when the vocabulary lacks its unknown token, or a limit is
  // exceeded.
  static absl::StatusOr<std::unique_ptr<const TextEncoder>> Create(
      const WordpieceVocabulary& vocabulary, TextNormalizer normalizer);

  absl::StatusOr<std::string> Normalize(absl::string_view text) const override {
    return normalizer_.Apply(text);
  }
  void Encode(absl::string_view text, bool at_beginning, size_t most,
              std::vector<int32_t>& ids) const override;

 private:
  WordpieceEncoder() = default;

  void EncodeWord(absl::string_view word, std::vector<int32_t>& ids) const;

  TextNormalizer normalizer_;
  // Tokens at a word's beginning; those inside it, without their prefix.
  TokenTrie first_;
  TokenTrie inner_;
  int32_t unknown_id_ = 0;
  int word_characters_max_ = 0;
};

}  // namespace diptych::inference
