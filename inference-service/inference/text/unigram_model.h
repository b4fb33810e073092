// The segmentation of a unigram language model: of all ways to cut a text into
// pieces the one with the greatest sum of scores.
//
// Operation: the best path through the text, by Viterbi's algorithm, one
// character after the other; a character that no piece covers is unknown, at a
// score 10 below the lowest, and unknown characters side by side are one id.
// Source: SentencePiece's unigram_model.cc (EncodeOptimized), in float32, and
// Hugging Face tokenizers' models/unigram/model.rs, in float64: the two round
// differently, so the precision is part of the model.
// Concurrency: Encode may be called from any thread, in parallel.
// Limits: linear time in the text, for pieces of bounded length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/text/token_trie.h"

namespace diptych::inference {

struct UnigramPiece {
  std::string text;
  // What Encode gives.
  int32_t id = 0;
  double score = 0;
};

struct UnigramVocabulary {
  std::vector<UnigramPiece> pieces;
  int32_t unknown_id = 0;
  double unknown_score = 0;
  bool float32 = false;
};

class UnigramModel {
 public:
  // INVALID_ARGUMENT when a piece is empty or occurs twice.
  static absl::StatusOr<UnigramModel> Create(UnigramVocabulary vocabulary);

  // Appends the ids of `text`, which is valid UTF-8.
  void Encode(absl::string_view text, std::vector<int32_t>& ids) const;

 private:
  UnigramModel() = default;

  template <typename Score>
  void EncodeBy(absl::string_view text, std::vector<int32_t>& ids) const;

  // The value is a place in `vocabulary_.pieces`.
  TokenTrie trie_;
  UnigramVocabulary vocabulary_;
};

}  // namespace diptych::inference
