// Tokens by their bytes, to find those that a text continues with.
//
// Operation: built once from all tokens into flat arrays (12 bytes a node); a
// search walks them byte by byte.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: kNodesMax nodes, about the sum of the tokens' lengths without common
// beginnings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

class TokenTrie {
 public:
  static constexpr size_t kNodesMax = size_t{1} << 26;

  // `tokens` are bytes and id, an id is not negative. INVALID_ARGUMENT when a
  // token is empty, or one occurs twice, or there are too many.
  static absl::StatusOr<TokenTrie> Create(
      std::vector<std::pair<std::string, int32_t>> tokens);

  // No tokens.
  TokenTrie() : nodes_(1) {}

  // Calls `found` with length and id of every token that `text` begins with,
  // the shortest first.
  template <typename Found>
  void ForEachPrefix(absl::string_view text, Found found) const {
    size_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) return;
      if (nodes_[node].id >= 0) found(i + 1, nodes_[node].id);
    }
  }

  // The id of the longest token that `text` begins with, and its length; -1
  // and 0 when there is none.
  std::pair<int32_t, size_t> LongestPrefix(absl::string_view text) const {
    std::pair<int32_t, size_t> longest(-1, 0);
    ForEachPrefix(text, [&](size_t length, int32_t id) {
      longest = {id, length};
    });
    return longest;
  }

  // The id of token `text`, or -1.
  int32_t Find(absl::string_view text) const;

 private:
  struct Node {
    // Children lie side by side, in the order of their bytes.
    uint32_t first_child = 0;
    int32_t id = -1;
    uint16_t children = 0;
    uint8_t byte = 0;
  };

  // The child of `node` by `byte`; 0 when there is none.
  size_t Child(size_t node, uint8_t byte) const;

  // The root is the first.
  std::vector<Node> nodes_;
};

}  // namespace diptych::inference
