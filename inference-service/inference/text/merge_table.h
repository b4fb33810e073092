// The merges of byte pair encoding.
//
// Operation: of all neighbours in a row of tokens the pair with the lowest rank
// is joined, leftmost first, until no pair has a merge. Source: Hugging Face
// tokenizers, models/bpe/word.rs (merge_all); SentencePiece's bpe_model.cc is
// the same with ranks by score. Concurrency: Apply may be called from any
// thread, in parallel. Limits: time grows with n log n of n tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace diptych::inference {

class MergeTable {
 public:
  void Reserve(size_t merges) { merges_.reserve(merges); }

  // Joining `left` and `right` gives `id`. Of a pair given twice the first
  // counts.
  void Add(int32_t left, int32_t right, int32_t rank, int32_t id) {
    merges_.emplace(Key(left, right), Merge{rank, id});
  }

  // Joins tokens[begin], tokens[begin + 1], ... A negative token is never
  // joined.
  void Apply(size_t begin, std::vector<int32_t>& tokens) const;

 private:
  struct Merge {
    int32_t rank;
    int32_t id;
  };
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
           static_cast<uint32_t>(right);
  }

  absl::flat_hash_map<uint64_t, Merge> merges_;
};

}  // namespace diptych::inference
