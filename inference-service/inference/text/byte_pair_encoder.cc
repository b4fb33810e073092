#include "inference/text/byte_pair_encoder.h"

#include <cstddef>
#include <string>

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
  encoder.merges_.Reserve(vocabulary.merges.size());
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
    encoder.merges_.Add(left_id, right_id, rank++, id);
  }
  return encoder;
}

void BytePairEncoder::Encode(absl::string_view word,
                             std::vector<int32_t>& ids) const {
  const size_t begin = ids.size();
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<uint8_t>(word[i]);
    ids.push_back(i + 1 == word.size() ? last_byte_ids_[byte]
                                       : byte_ids_[byte]);
  }
  merges_.Apply(begin, ids);
}

}  // namespace diptych::inference
