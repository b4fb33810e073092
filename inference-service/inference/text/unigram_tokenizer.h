// Unigram tokenisers from a tokenizer.json: XLM-RoBERTa, MetaCLIP 2 and the
// multilingual sentence-transformers.
//
// Operation: the text is normalised (text_normalizer.h), spaces become U+2581
// and begin a word (pre_tokenizers/metaspace.rs of Hugging Face tokenizers),
// and each word is cut into pieces (unigram_model.h).
// Concurrency: a free function.
// Limits: as TokenizerOptions.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/text/tokenizer.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/tokenizer_loader.h"

namespace diptych::inference {

// INVALID_ARGUMENT when the file is malformed or a component is not known.
absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeUnigramTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options);

}  // namespace diptych::inference
