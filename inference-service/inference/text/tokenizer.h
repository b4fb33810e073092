// Text to token ids, one implementation per family.
//
// Operation: a tokenizer is built once per model (LoadTokenizer in
// tokenizer_loader.h recognises the kind from a directory) and then only read.
// Concurrency: Tokenize may be called from any thread, in parallel.
// Limits: at most kTextBytesMax bytes of text, at most context_length() ids.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/types/token_ids.h"

namespace diptych::inference {

class Tokenizer {
 public:
  static constexpr size_t kTextBytesMax = 64 * 1024;

  virtual ~Tokenizer() = default;

  // The ids of `text`, at most context_length() of them, cut where the family
  // cuts. The empty text is allowed and gives the family's begin and end
  // tokens. INVALID_ARGUMENT when `text` is not valid UTF-8 or too long.
  virtual absl::StatusOr<TokenIds> Tokenize(absl::string_view text) const = 0;

  // Most ids that Tokenize returns, begin and end tokens included.
  virtual int context_length() const = 0;

  // What a batch is filled with where sequences must have one length. Tokenize
  // adds none. Padding that is masked, or stands behind the pooled row of
  // causal attention, changes nothing and need not be there; SigLIP attends to
  // it and takes its last row, so its encoder fills every text to
  // context_length().
  virtual int32_t pad_id() const = 0;
};

}  // namespace diptych::inference
