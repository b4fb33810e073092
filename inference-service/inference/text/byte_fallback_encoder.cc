#include "inference/text/byte_fallback_encoder.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {

ByteFallbackEncoder::ByteFallbackEncoder(
    absl::flat_hash_map<std::string, int32_t> ids, MergeTable merges,
    int32_t unknown_id)
    : ids_(std::move(ids)),
      merges_(std::move(merges)),
      unknown_id_(unknown_id) {
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const auto it = ids_.find(absl::StrFormat("<0x%02X>", byte));
    byte_ids_[byte] = it == ids_.end() ? -1 : it->second;
  }
}

void ByteFallbackEncoder::Encode(absl::string_view text,
                                 std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  bool unknown = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    NextCharacter(text, at);
    const absl::string_view character = text.substr(begin, at - begin);
    const auto it = ids_.find(character);
    if (it != ids_.end()) {
      ids.push_back(it->second);
      unknown = false;
      continue;
    }
    const bool bytes = std::all_of(
        character.begin(), character.end(),
        [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)] >= 0; });
    if (bytes) {
      for (const char byte : character) {
        ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
      }
    } else if (!unknown) {
      ids.push_back(unknown_id_);
    }
    unknown = !bytes;
  }
  merges_.Apply(first, ids);
}

}  // namespace diptych::inference
