#include "inference/text/byte_pair_encoder.h"

#include <cstddef>
#include <functional>
#include <queue>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::inference {
namespace {

constexpr char kWordEnd[] = "</w>";

// UTF-8 of the character below U+0800 that stands for each byte.
std::array<std::string, 256> ByteCharacters() {
  std::array<std::string, 256> characters;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) ||
                           (byte >= 161 && byte <= 172) || byte >= 174;
    const int code = printable ? byte : next++;
    std::string& text = characters[byte];
    if (code < 0x80) {
      text.push_back(static_cast<char>(code));
    } else {
      text.push_back(static_cast<char>(0xc0 | code >> 6));
      text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
  }
  return characters;
}

// One token of a word, in a list linked by positions.
struct Symbol {
  int32_t id;
  int previous;
  int next;
  bool merged_away = false;
};

}  // namespace

absl::StatusOr<BytePairEncoder> BytePairEncoder::Create(
    const BpeVocabulary& vocabulary) {
  BytePairEncoder encoder;
  const auto id_of = [&](const std::string& token) {
    const auto it = vocabulary.ids.find(token);
    return it == vocabulary.ids.end() ? -1 : it->second;
  };
  const std::array<std::string, 256> characters = ByteCharacters();
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t inside = id_of(characters[byte]);
    const int32_t last = id_of(characters[byte] + kWordEnd);
    encoder.byte_ids_[byte] = inside < 0 ? vocabulary.unknown_id : inside;
    encoder.last_byte_ids_[byte] = last < 0 ? vocabulary.unknown_id : last;
  }
  encoder.merges_.reserve(vocabulary.merges.size());
  int32_t rank = 0;
  for (const auto& [left, right] : vocabulary.merges) {
    const int32_t left_id = id_of(left);
    const int32_t right_id = id_of(right);
    const int32_t id = id_of(left + right);
    if (left_id < 0 || right_id < 0 || id < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tokeniser's vocabulary lacks a token of merge ",
                       rank, ": ", left, " ", right));
    }
    encoder.merges_.emplace(Key(left_id, right_id), Merge{rank++, id});
  }
  return encoder;
}

void BytePairEncoder::Encode(absl::string_view word,
                             std::vector<int32_t>& ids) const {
  const int length = static_cast<int>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (int i = 0; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(word[i]);
    const bool last = i + 1 == length;
    symbols.push_back(
        {last ? last_byte_ids_[byte] : byte_ids_[byte], i - 1, i + 1});
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
  for (int i = 0; i < length; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace diptych::inference
