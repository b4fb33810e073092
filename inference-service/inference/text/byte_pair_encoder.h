// Byte pair encoding of one word.
//
// Operation: a word's bytes are spelt as characters that can be printed (byte
// characters: 33..126, 161..172 and 174..255 stand for themselves, the other 68
// bytes for U+0100 and up), the last one with "</w>" behind it; then the pair
// that the earliest merge names is joined, leftmost first, until no merge fits.
// Source: Hugging Face tokenizers, models/bpe/word.rs (merge_all); the spelling
// is GPT-2's bytes_to_unicode.
// Concurrency: Encode may be called from any thread, in parallel.
// Limits: time grows with n log n of a word's n bytes. Nothing is cached.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/bpe_vocabulary.h"
#include "inference/text/merge_table.h"

namespace diptych::inference {

class BytePairEncoder {
 public:
  // INVALID_ARGUMENT when a merge names or makes a token that `vocabulary`
  // lacks.
  static absl::StatusOr<BytePairEncoder> Create(
      const BpeVocabulary& vocabulary);

  // Appends the ids of `word`, which is not empty, to `ids`.
  void Encode(absl::string_view word, std::vector<int32_t>& ids) const;

 private:
  BytePairEncoder() = default;

  // The token of a byte inside a word and at its end.
  std::array<int32_t, 256> byte_ids_;
  std::array<int32_t, 256> last_byte_ids_;
  MergeTable merges_;
};

}  // namespace diptych::inference
