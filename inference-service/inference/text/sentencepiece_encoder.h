// SentencePiece's normalisation and segmentation.
//
// Operation: Normalize replaces by the model's rules, the longest first, puts
// U+2581 for spaces, drops superfluous ones and adds one at the beginning where
// the model says so; Encode cuts the result into pieces, by the model's kind.
// A user-defined piece is always a piece. Source: SentencePiece's
// normalizer.cc, unigram_model.cc and bpe_model.cc.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: a normalised text has at most TextNormalizer::kGrowthMax times
// Tokenizer::kTextBytesMax bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/byte_fallback_encoder.h"
#include "inference/text/precompiled_charsmap.h"
#include "inference/text/sentencepiece_model.h"
#include "inference/text/token_trie.h"
#include "inference/text/unigram_model.h"

namespace diptych::inference {

class SentencePieceEncoder {
 public:
  // INVALID_ARGUMENT when the rules are malformed, or the model mixes what is
  // not known to be mixed.
  static absl::StatusOr<SentencePieceEncoder> Create(
      const SentencePieceModel& model, bool add_dummy_prefix);

  // INVALID_ARGUMENT when the text grows too large.
  absl::StatusOr<std::string> Normalize(absl::string_view text) const;

  // Appends the ids of a normalised text, as the model numbers them.
  void Encode(absl::string_view text, std::vector<int32_t>& ids) const;

 private:
  SentencePieceEncoder() = default;

  // What the text begins with: bytes of it and what stands for them.
  PrecompiledCharsmap::Match NextPart(absl::string_view text) const;

  PrecompiledCharsmap charsmap_;
  TokenTrie user_defined_;
  bool add_dummy_prefix_ = false;
  bool remove_extra_whitespaces_ = false;
  bool escape_whitespaces_ = false;
  // One of the two.
  std::optional<UnigramModel> unigram_;
  std::optional<ByteFallbackEncoder> bpe_;
};

}  // namespace diptych::inference
