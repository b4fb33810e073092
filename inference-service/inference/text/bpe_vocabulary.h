// The vocabulary of a CLIP tokeniser, from the files of a model directory.
//
// Operation: reads tokenizer.json (Hugging Face tokenizers), or vocab.json and
// merges.txt. A tokenizer.json describes a whole pipeline; only CLIP's is
// accepted, and a component that differs is refused by name, because a
// tokeniser that is nearly right gives embeddings that are wrong without any
// error. Concurrency: value types and free functions. Limits: kVocabularyMax
// tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/added_tokens.h"
#include "nlohmann/json_fwd.hpp"

namespace diptych::inference {

// What becomes of a spelt-out "<|endoftext|>" that is no added token, because
// it was written in capitals. The published tokenizer.json files differ here.
enum class SpeltToken {
  // Text like any other.
  kPlain,
  // One word (Split's pattern names it, ByteLevel does not split again).
  kOneWord,
  // "<|", "endoftext" and "|>" (ByteLevel splits again by GPT-2's pattern).
  kThreeWords,
};

struct BpeVocabulary {
  static constexpr int kVocabularyMax = 1 << 20;

  // Tokens are spelt in byte characters (see byte_pair_encoder.h).
  absl::flat_hash_map<std::string, int32_t> ids;
  // In order: an earlier merge goes first.
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added_tokens;
  // Enclose every text.
  int32_t begin_id = 0;
  int32_t end_id = 0;
  // Stands for a byte that is no token.
  int32_t unknown_id = 0;
  SpeltToken spelt_token = SpeltToken::kPlain;
};

// INVALID_ARGUMENT when the text is malformed or no CLIP tokeniser.
absl::StatusOr<BpeVocabulary> ParseTokenizerJson(absl::string_view json);

// INVALID_ARGUMENT when a text is malformed or CLIP's begin and end tokens are
// missing.
absl::StatusOr<BpeVocabulary> ParseVocabularyFiles(absl::string_view vocab_json,
                                                   absl::string_view merges);

// "model_max_length" of a tokenizer_config.json; none when it is null or too
// large to limit anything (1e30 means none). INVALID_ARGUMENT when it is no
// length.
absl::StatusOr<std::optional<int>> ModelMaxLength(const nlohmann::json& length);

// The same, from the file's text.
absl::StatusOr<std::optional<int>> ParseModelMaxLength(
    absl::string_view tokenizer_config_json);

}  // namespace diptych::inference
