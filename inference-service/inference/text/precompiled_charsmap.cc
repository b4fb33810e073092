#include "inference/text/precompiled_charsmap.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {
namespace {

// A unit of the double array. A leaf holds a value; of another, the child by
// `byte` lies at the unit's own place xor offset xor byte, where its label says
// whether it is one. The child by no byte is the leaf.
bool IsLeaf(uint32_t unit) { return unit >> 31 != 0; }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t Value(uint32_t unit) { return unit & 0x7fffffff; }
uint32_t Label(uint32_t unit) { return unit & 0x800000ff; }
uint32_t Offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the compiled normalisation rules are malformed: ", why));
}

}  // namespace

absl::StatusOr<PrecompiledCharsmap> PrecompiledCharsmap::Create(
    absl::string_view blob) {
  PrecompiledCharsmap map;
  if (blob.empty()) return map;
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    for (int i = 3; i >= 0; --i) {
      value = value << 8 | static_cast<uint8_t>(blob[at + i]);
    }
    return value;
  };
  if (blob.size() < 4) return Malformed("they end within their size");
  const size_t array_bytes = word(0);
  if (array_bytes > blob.size() - 4 || array_bytes % 1024 != 0 ||
      array_bytes == 0) {
    return Malformed(absl::StrCat("a table of ", array_bytes, " bytes in ",
                                  blob.size(),
                                  "; it must have whole blocks of 1024"));
  }
  map.units_.resize(array_bytes / 4);
  for (size_t i = 0; i < map.units_.size(); ++i) {
    map.units_[i] = word(4 + 4 * i);
  }
  map.replacements_ = std::string(blob.substr(4 + array_bytes));
  const std::string& text = map.replacements_;
  if (text.empty() || text.back() != '\0' ||
      ValidUtf8Prefix(text) < text.size()) {
    return Malformed("the replacements are no UTF-8 that ends with a zero");
  }
  for (size_t i = 0; i < map.units_.size(); ++i) {
    const uint32_t unit = map.units_[i];
    if (IsLeaf(unit)) continue;
    const size_t leaf = i ^ Offset(unit);
    if ((leaf | 255) >= map.units_.size()) {
      return Malformed("a rule goes on outside the table");
    }
    if (!HasLeaf(unit)) continue;
    const size_t value = Value(map.units_[leaf]);
    const bool inside = value < text.size();
    if (!inside || (static_cast<uint8_t>(text[value]) & 0xc0) == 0x80) {
      return Malformed("a replacement lies outside the text or in a character");
    }
  }
  return map;
}

PrecompiledCharsmap::Match PrecompiledCharsmap::Find(absl::string_view text,
                                                     bool longest) const {
  Match match;
  if (units_.empty()) return match;
  size_t place = Offset(units_[0]);
  const size_t end = std::min(text.size(), kRuleBytesMax);
  for (size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    place ^= byte;
    const uint32_t unit = units_[place];
    if (Label(unit) != byte) break;
    place ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    match.length = i + 1;
    match.replacement = replacements_.c_str() + Value(units_[place]);
    if (!longest) break;
  }
  return match;
}

}  // namespace diptych::inference
