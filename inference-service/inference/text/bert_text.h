// The words of a text as BERT's WordPiece takes them.
//
// Operation: normalisation and splitting of Hugging Face tokenizers
// (normalizers/bert.rs, pre_tokenizers/bert.rs), which is BERT's
// BasicTokenizer: control characters are dropped, white space becomes " ",
// Chinese characters stand alone, accents and case go where the model was
// trained without; words end at white space, and each punctuation mark is a
// word. Concurrency: free functions without state. Limits: linear time; the
// caller bounds the text.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

struct BertTextOptions {
  bool clean_text = true;
  bool split_chinese = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// `text` is valid UTF-8.
absl::StatusOr<std::string> NormalizeBertText(absl::string_view text,
                                              const BertTextOptions& options);

// The words of a normalised text, in it.
std::vector<absl::string_view> SplitBertWords(absl::string_view text);

}  // namespace diptych::inference
