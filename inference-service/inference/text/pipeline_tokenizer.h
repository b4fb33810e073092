// What all tokenisers but CLIP's have in common.
//
// Operation: added tokens are cut out of the text; the rest is normalised,
// added tokens are cut out of that too, and what remains is encoded by the
// family's TextEncoder. Ids over the context's length are cut off at the end,
// never those that enclose a text.
// Concurrency: Tokenize may be called from any thread, in parallel.
// Limits: as Tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/added_tokens.h"
#include "inference/text/tokenizer.h"

namespace diptych::inference {

// What differs between families.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  // `text` is valid UTF-8, and so is the result.
  virtual absl::StatusOr<std::string> Normalize(
      absl::string_view text) const = 0;

  // Appends the ids of a normalised text, which is not empty. `at_beginning`
  // says whether it is the beginning of the whole. Once `ids` has more than
  // `most`, the rest need not be encoded.
  virtual void Encode(absl::string_view text, bool at_beginning, size_t most,
                      std::vector<int32_t>& ids) const = 0;
};

// The ids that enclose a text, e.g. those of "[CLS]" and "[SEP]".
struct EnclosingIds {
  std::vector<int32_t> before;
  std::vector<int32_t> behind;
};

struct TokenizerSettings {
  std::vector<AddedToken> added_tokens;
  EnclosingIds enclosing;
  int32_t pad_id = 0;
  // Counts the enclosing ids too.
  int context_length = 0;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  // INVALID_ARGUMENT when the context holds no id but the enclosing ones, or
  // an added token cannot be one.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Create(
      std::unique_ptr<const TextEncoder> encoder, TokenizerSettings settings);

  absl::StatusOr<TokenIds> Tokenize(absl::string_view text) const override;
  int context_length() const override { return context_length_; }
  int32_t pad_id() const override { return pad_id_; }

 private:
  PipelineTokenizer(std::unique_ptr<const TextEncoder> encoder,
                    AddedTokens added_tokens, TokenizerSettings settings);

  const std::unique_ptr<const TextEncoder> encoder_;
  const AddedTokens added_tokens_;
  const EnclosingIds enclosing_;
  const int32_t pad_id_;
  const int context_length_;
};

}  // namespace diptych::inference
