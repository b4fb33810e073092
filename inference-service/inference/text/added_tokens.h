// Tokens that are matched in a text as a whole, before it is split into words.
//
// Operation: of tokens that begin at one place the longest counts, and the
// leftmost place first. A token is looked for in the text as it is or in the
// normalised text, by its own setting. Source: Hugging Face tokenizers,
// tokenizer/added_vocabulary.rs. Concurrency: const methods may be called from
// any thread, in parallel. Limits: kTokensMax tokens of kTokenBytesMax bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/token_trie.h"

namespace diptych::inference {

// E.g. "<|endoftext|>".
struct AddedToken {
  std::string content;
  int32_t id = 0;
  // Matched in the normalised text (lower-cased, ...) rather than in the text
  // as it is; the content is then normalised too.
  bool normalized = false;
  // Not matched next to a letter, a digit or "_".
  bool single_word = false;
  // Takes the white space before it or behind it along.
  bool strip_before = false;
  bool strip_behind = false;
};

// A part of a text, in it; or, when `added_id` is not negative, an added token.
struct TextPart {
  absl::string_view text;
  int32_t added_id = -1;
};

class AddedTokens {
 public:
  static constexpr size_t kTokensMax = 1 << 16;
  static constexpr size_t kTokenBytesMax = 1024;

  // None.
  AddedTokens() = default;

  // The content of tokens with `normalized` must be normalised already.
  // INVALID_ARGUMENT when they are too many, or one is too long, empty, no
  // UTF-8, or occurs twice with different ids.
  static absl::StatusOr<AddedTokens> Create(
      const std::vector<AddedToken>& tokens);

  // `text` cut at the tokens that are matched in the text as it is; parts
  // without any text are left out.
  std::vector<TextPart> CutPlain(absl::string_view text) const {
    return plain_.Cut(text);
  }
  // The same for those matched in the normalised text.
  std::vector<TextPart> CutNormalized(absl::string_view text) const {
    return normalized_.Cut(text);
  }

 private:
  struct Set {
    std::vector<TextPart> Cut(absl::string_view text) const;

    std::vector<AddedToken> tokens;
    // The value is a place in `tokens`.
    TokenTrie trie;
  };

  Set plain_;
  Set normalized_;
};

}  // namespace diptych::inference
