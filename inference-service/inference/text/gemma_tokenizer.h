// Gemma's byte pair encoding from a tokenizer.json: SigLIP 2.
//
// Operation: spaces become U+2581 (and a SigLIP 2 tokeniser of newer files
// lower-cases first); characters are joined by merges (merge_table.h); one that
// is no token becomes the tokens of its bytes, "<0xE2>". Source: Hugging Face
// tokenizers, models/bpe/model.rs, and transformers' GemmaTokenizerFast, which
// lets "add_bos_token" and "add_eos_token" of tokenizer_config.json decide what
// encloses a text. Concurrency: a free function. Limits: as TokenizerOptions.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/text/tokenizer.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/tokenizer_loader.h"

namespace diptych::inference {

// INVALID_ARGUMENT when the file is malformed or a component is not known.
absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeGemmaTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options);

}  // namespace diptych::inference
