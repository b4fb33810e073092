// WordPiece tokenisers from the files of a model directory.
//
// Operation: a tokenizer.json says everything itself; without one, vocab.txt
// is what BertTokenizer makes of it by tokenizer_config.json: lower case and no
// accents unless "do_lower_case" is false. Concurrency: free functions.
// Limits: as TokenizerOptions and wordpiece_encoder.h.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/tokenizer.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/tokenizer_loader.h"

namespace diptych::inference {

// INVALID_ARGUMENT when the file is malformed or a component is not known.
absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeWordpieceTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options);

// From the text of vocab.txt.
absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeWordpieceTokenizer(
    absl::string_view vocabulary, const TokenizerConfig& config,
    const TokenizerOptions& options);

}  // namespace diptych::inference
