// A text as the token ids that a text tower reads.
#pragma once

#include <cstdint>
#include <vector>

namespace diptych::inference {

struct TokenIds {
  // With the family's begin and end tokens, without padding.
  std::vector<int32_t> ids;
  // True when the text had more tokens than the model reads, and its tail was
  // dropped. Callers are told, because a truncated text is searched by its
  // beginning only.
  bool truncated = false;

  friend bool operator==(const TokenIds& a, const TokenIds& b) {
    return a.ids == b.ids && a.truncated == b.truncated;
  }
};

}  // namespace diptych::inference
