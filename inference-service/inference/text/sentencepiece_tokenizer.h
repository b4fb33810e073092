// Tokenisers from a SentencePiece model file.
//
// Operation: the text is normalised and cut as SentencePiece does it
// (normalizer.cc; unigram_model.h, byte_fallback_encoder.h); what transformers'
// Python tokenisers add around that is the convention:
//   kXlmRoberta  ids are one more than the model's, behind <s> 0, <pad> 1,
//                </s> 2, <unk> 3; <s> and </s> enclose a text
//   kSiglip      lower case, no ASCII punctuation, single spaces; </s> behind a
//                text, and for padding
//   kGemma       the model's own ids; <bos> before a text, unless the
//                configuration says otherwise
// Source: transformers' tokenization_{xlm_roberta,siglip,gemma}.py.
// Concurrency: a free function.
// Limits: as TokenizerOptions.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/tokenizer.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/tokenizer_loader.h"

namespace diptych::inference {

enum class SentencePieceConvention { kXlmRoberta, kSiglip, kGemma };

// `model` is the file's bytes. INVALID_ARGUMENT when it is malformed or does
// not go with the convention.
absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeSentencePieceTokenizer(
    absl::string_view model, SentencePieceConvention convention,
    const TokenizerConfig& config, const TokenizerOptions& options);

}  // namespace diptych::inference
