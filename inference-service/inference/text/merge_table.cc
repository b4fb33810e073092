#include "inference/text/merge_table.h"

#include <functional>
#include <queue>
#include <tuple>

namespace diptych::inference {
namespace {

// One token of a word, in a list linked by positions.
struct Symbol {
  int32_t id;
  int previous;
  int next;
  bool merged_away = false;
};

}  // namespace

void MergeTable::Apply(size_t begin, std::vector<int32_t>& tokens) const {
  const int length = static_cast<int>(tokens.size() - begin);
  std::vector<Symbol> symbols;
  symbols.reserve(tokens.size() - begin);
  for (int i = 0; i < length; ++i) {
    symbols.push_back({tokens[begin + static_cast<size_t>(i)], i - 1, i + 1});
  }

  // Possible merges: rank, position of the left token, resulting token. The
  // smallest comes first, so the earliest merge, and of equals the leftmost.
  using Candidate = std::tuple<int32_t, int, int32_t>;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto find = [&](int position) -> const Merge* {
    if (position < 0 || symbols[position].next >= length) return nullptr;
    const auto it = merges_.find(
        Key(symbols[position].id, symbols[symbols[position].next].id));
    return it == merges_.end() ? nullptr : &it->second;
  };
  const auto offer = [&](int position) {
    if (const Merge* merge = find(position); merge != nullptr) {
      queue.emplace(merge->rank, position, merge->id);
    }
  };
  for (int i = 0; i + 1 < length; ++i) offer(i);

  while (!queue.empty()) {
    const auto [rank, position, id] = queue.top();
    queue.pop();
    Symbol& left = symbols[position];
    // Another merge may have taken one of the two since.
    if (left.merged_away) continue;
    const Merge* merge = find(position);
    if (merge == nullptr || merge->id != id) continue;
    Symbol& right = symbols[left.next];
    left.id = id;
    left.next = right.next;
    right.merged_away = true;
    if (left.next < length) symbols[left.next].previous = position;
    offer(left.previous);
    offer(position);
  }
  tokens.resize(begin);
  for (int i = 0; i < length; i = symbols[i].next) {
    tokens.push_back(symbols[i].id);
  }
}

}  // namespace diptych::inference
