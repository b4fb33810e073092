// CLIP's tokeniser, as Hugging Face's fast one.
//
// Operation: splits a text into words (clip_words.h), encodes each
// (byte_pair_encoder.h), and encloses the ids in the begin and end tokens. A
// text of more ids than the context keeps its first ones and the end token.
// Concurrency: Tokenize may be called from any thread, in parallel.
// Limits: as Tokenizer; words behind the cut are not encoded.
#pragma once

#include <memory>
#include <utility>

#include "inference/text/added_tokens.h"
#include "inference/text/bpe_vocabulary.h"
#include "inference/text/byte_pair_encoder.h"
#include "inference/text/tokenizer.h"

namespace diptych::inference {

class ClipTokenizer final : public Tokenizer {
 public:
  // `context_length` counts the begin and end tokens too. INVALID_ARGUMENT when
  // it is below 2, or `vocabulary` contradicts itself.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Create(
      BpeVocabulary vocabulary, int context_length);

  absl::StatusOr<TokenIds> Tokenize(absl::string_view text) const override;
  int context_length() const override { return context_length_; }
  int32_t pad_id() const override { return end_id_; }

 private:
  ClipTokenizer(BytePairEncoder encoder, AddedTokens added_tokens,
                const BpeVocabulary& vocabulary, int context_length);

  const BytePairEncoder encoder_;
  const AddedTokens added_tokens_;
  const SpeltToken spelt_token_;
  const int32_t begin_id_;
  const int32_t end_id_;
  const int context_length_;
};

}  // namespace diptych::inference
