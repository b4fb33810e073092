// A text as the words that CLIP's byte pair encoding takes, one by one.
//
// Operation: added tokens are cut out; the rest is normalised (NFC, lower case
// of each character by itself) and split by the pattern
//   's|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
// White space only separates, so collapsing it, as the published tokeniser
// does, changes nothing. Source: tokenizer.json of
// openai/clip-vit-base-patch32. Concurrency: free functions without state.
// Limits: the caller bounds the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/added_tokens.h"
#include "inference/text/bpe_vocabulary.h"

namespace diptych::inference {

struct ClipWord {
  // UTF-8, normalised, not empty; "" when `added_id` says which token it is.
  std::string text;
  int32_t added_id = -1;
};

// NFC, then lower case. `text` is valid UTF-8.
absl::StatusOr<std::string> NormalizeForClip(absl::string_view text);

// The words of `text`, in order. `spelt_token` is BpeVocabulary's.
// INVALID_ARGUMENT when `text` is not valid UTF-8.
absl::StatusOr<std::vector<ClipWord>> SplitClipWords(
    absl::string_view text, const AddedTokens& added_tokens,
    SpeltToken spelt_token);

}  // namespace diptych::inference
