// The small files of a model directory that say how its tokeniser behaves.
//
// Operation: tokenizer_config.json and special_tokens_map.json are read into
// one description; parts of a tokenizer.json that all kinds have are read by
// the functions below. Concurrency: value types and free functions.
// Limits: files of kTokenizerFileBytesMax; JSON as in json_file.h; ids below
// kTokenIdsMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/json_file.h"
#include "inference/text/pipeline_tokenizer.h"

namespace diptych::inference {

// The largest in use is XLM-V's tokenizer.json, of 901,629 tokens.
inline constexpr size_t kTokenizerFileBytesMax = size_t{128} << 20;
inline constexpr int kTokenIdsMax = 1 << 22;

// The bytes of file `name` in `directory`; none when there is no such file.
// INVALID_ARGUMENT when it is too large or cannot be read.
absl::StatusOr<std::optional<std::string>> ReadTokenizerFile(
    const std::string& directory, const char* name);

// Token to id, or -1.
using TokenIdOf = std::function<int32_t(absl::string_view)>;

class TokenizerConfig {
 public:
  // Reads both files where they are there. INVALID_ARGUMENT when one is
  // malformed.
  static absl::StatusOr<TokenizerConfig> Read(const std::string& directory);

  // "tokenizer_class" without "Fast"; "" when it is not given.
  std::string tokenizer_class() const;

  // A setting of tokenizer_config.json; none when it is not given.
  std::optional<bool> Flag(const char* key) const;

  // The token named by `key`, e.g. "pad_token", else `otherwise`.
  std::string Token(const char* key, absl::string_view otherwise) const;

  // "model_max_length", if it limits anything, and at most `most`.
  absl::StatusOr<int> ContextLength(int most) const;

  // Tokens that tokenizer_config.json adds ("added_tokens_decoder").
  // INVALID_ARGUMENT when it is malformed.
  absl::StatusOr<std::vector<AddedToken>> AddedTokensGiven() const;

 private:
  Json config_;
  Json special_tokens_;
};

// "added_tokens" of a tokenizer.json.
absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json& tokens);

// "post_processor" of a tokenizer.json: TemplateProcessing, BertProcessing,
// RobertaProcessing, one of them in a Sequence, or none. INVALID_ARGUMENT when
// it is another, or names a token that is none.
absl::StatusOr<EnclosingIds> ParsePostProcessor(const Json& processor,
                                                const TokenIdOf& id_of);

// What "add_bos_token" and "add_eos_token" of tokenizer_config.json say, where
// one of them is given, instead of what `enclosing` holds. INVALID_ARGUMENT
// when the token meant is none.
absl::Status EncloseByFlags(const TokenizerConfig& config,
                            const TokenIdOf& id_of, EnclosingIds& enclosing);

// The id of padding: the "pad_token" that the files name, else the one that
// tokenizer.json (may be null) pads with, else `otherwise`.
int32_t PadId(const TokenizerConfig& config, const Json& tokenizer,
              const TokenIdOf& id_of, int32_t otherwise);

}  // namespace diptych::inference
