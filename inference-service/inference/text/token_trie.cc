#include "inference/text/token_trie.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::inference {
namespace {

// Tokens [begin, end), sorted, that share the `depth` bytes of `node`.
struct Range {
  size_t node;
  size_t begin;
  size_t end;
  size_t depth;
};

}  // namespace

absl::StatusOr<TokenTrie> TokenTrie::Create(
    std::vector<std::pair<std::string, int32_t>> tokens) {
  std::sort(tokens.begin(), tokens.end());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].first.empty()) {
      return absl::InvalidArgumentError("a token is empty");
    }
    if (i > 0 && tokens[i].first == tokens[i - 1].first) {
      return absl::InvalidArgumentError(
          absl::StrCat("a token occurs twice: ", tokens[i].first));
    }
  }
  TokenTrie trie;
  std::vector<Range> ranges = {{0, 0, tokens.size(), 0}};
  while (!ranges.empty()) {
    Range range = ranges.back();
    ranges.pop_back();
    if (range.begin < range.end &&
        tokens[range.begin].first.size() == range.depth) {
      trie.nodes_[range.node].id = tokens[range.begin].second;
      ++range.begin;
    }
    const size_t first_child = trie.nodes_.size();
    for (size_t begin = range.begin; begin < range.end;) {
      const char byte = tokens[begin].first[range.depth];
      size_t end = begin + 1;
      while (end < range.end && tokens[end].first[range.depth] == byte) ++end;
      ranges.push_back({trie.nodes_.size(), begin, end, range.depth + 1});
      Node child;
      child.byte = static_cast<uint8_t>(byte);
      trie.nodes_.push_back(child);
      begin = end;
    }
    if (trie.nodes_.size() > kNodesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tokens are too many or too long: more than ",
                       kNodesMax, " different beginnings"));
    }
    Node& node = trie.nodes_[range.node];
    node.first_child = static_cast<uint32_t>(first_child);
    node.children = static_cast<uint16_t>(trie.nodes_.size() - first_child);
  }
  trie.nodes_.shrink_to_fit();
  return trie;
}

size_t TokenTrie::Child(size_t node, uint8_t byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first_child;
  const auto end = begin + nodes_[node].children;
  const auto it = std::lower_bound(
      begin, end, byte,
      [](const Node& child, uint8_t wanted) { return child.byte < wanted; });
  if (it == end || it->byte != byte) return 0;
  return static_cast<size_t>(it - nodes_.begin());
}

int32_t TokenTrie::Find(absl::string_view text) const {
  size_t node = 0;
  for (const char byte : text) {
    node = Child(node, static_cast<uint8_t>(byte));
    if (node == 0) return -1;
  }
  return nodes_[node].id;
}

}  // namespace diptych::inference
