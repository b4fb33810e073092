// The tokeniser of a model directory, whatever its kind.
//
// Operation: recognises the kind by the files that are there, in this order:
//   spiece.model            where tokenizer_config.json names SiglipTokenizer
//   tokenizer.json          by its "model": CLIP's BPE, WordPiece, Unigram,
//                           Gemma's BPE
//   vocab.txt               WordPiece: BERT, DistilBERT, Chinese-CLIP
//   sentencepiece.bpe.model XLM-RoBERTa's numbering of a unigram model
//   tokenizer.model         Gemma's BPE, of GemmaTokenizer
//   vocab.json, merges.txt  CLIP's BPE
// Whatever is not exactly one of these is refused: a tokeniser that is nearly
// right gives embeddings that are wrong without any error.
// Concurrency: a free function.
// Limits: those of tokenizer_files.h and json_file.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/tokenizer.h"

namespace diptych::inference {

struct TokenizerOptions {
  // Most ids of a text that the model reads, those that enclose it included;
  // "model_max_length" of tokenizer_config.json may lower it.
  int context_length = 0;
  // Ids must lie below: the rows of the model's token embedding.
  int vocabulary_size = 0;

  // INVALID_ARGUMENT when `id` does not.
  absl::Status CheckId(absl::string_view token, int32_t id) const;
};

// NOT_FOUND when `directory` has no tokeniser's files, INVALID_ARGUMENT when
// they are malformed, of an unknown kind, or do not fit `options`. Messages are
// one line, and name the file, not the directory.
absl::StatusOr<std::unique_ptr<const Tokenizer>> LoadTokenizer(
    const std::string& directory, const TokenizerOptions& options);

}  // namespace diptych::inference
