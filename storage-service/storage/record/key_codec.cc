#include "storage/record/key_codec.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

template <typename T>
void AppendBigEndian(std::string& key, T value) {
  for (int shift = 8 * (sizeof(T) - 1); shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(value >> shift));
  }
}

}  // namespace

std::string SpaceKey(uint8_t space) {
  std::string key = "space";
  AppendBigEndian(key, space);
  return key;
}

std::string CollectionKey(uint64_t id) {
  std::string key;
  AppendBigEndian(key, id);
  return key;
}

std::string SlotKey(uint32_t slot) {
  std::string key;
  AppendBigEndian(key, slot);
  return key;
}

bool ParseSlotKey(absl::string_view key, uint32_t& slot) {
  if (key.size() != sizeof(slot)) return false;
  slot = 0;
  for (char byte : key) slot = slot << 8 | static_cast<uint8_t>(byte);
  return true;
}

std::string VectorKey(uint32_t slot, uint8_t space, uint16_t piece) {
  std::string key;
  AppendBigEndian(key, slot);
  AppendBigEndian(key, space);
  AppendBigEndian(key, piece);
  return key;
}

std::string ChangeKey(uint64_t sequence) {
  std::string key;
  AppendBigEndian(key, sequence);
  return key;
}

bool ParseChangeKey(absl::string_view key, uint64_t& sequence) {
  if (key.size() != sizeof(sequence)) return false;
  sequence = 0;
  for (char byte : key) sequence = sequence << 8 | static_cast<uint8_t>(byte);
  return true;
}

std::string CollectionDirectoryName(uint64_t id) {
  return absl::StrCat(absl::Hex(id, absl::kZeroPad16));
}

bool ParseCollectionDirectoryName(absl::string_view name, uint64_t& id) {
  if (name.size() != 16) return false;
  id = 0;
  for (char digit : name) {
    if (digit >= '0' && digit <= '9') {
      id = id << 4 | static_cast<uint64_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      id = id << 4 | static_cast<uint64_t>(digit - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace diptych::storage
