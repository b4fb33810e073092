// TermPostings as bytes (docs/storage_format.md): the blocks as they are kept.
#include <algorithm>
#include <utility>

#include "storage/keyword/term_postings.h"

namespace diptych::storage {
namespace {

void AppendVarint(uint64_t value, std::string& bytes) {
  for (; value >= 0x80; value >>= 7) {
    bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  }
  bytes.push_back(static_cast<char>(value));
}

// False: the bytes end before, or the number is greater than `most`.
bool ReadVarint(const char*& at, const char* end, uint64_t most,
                uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && at != end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value <= most;
  }
  return false;
}

}  // namespace

void TermPostings::RemoveAll(const SlotSet& slots) {
  std::vector<Block> kept;
  for (Block& block : blocks_) {
    bool touched = false;
    slots.ForEachFrom(block.first, [&](Slot slot) {
      touched = slot <= block.last;
      return false;
    });
    if (!touched) {
      kept.push_back(std::move(block));
      continue;
    }
    Unpacked unpacked;
    Unpack(block, unpacked);
    Posting* const begin = unpacked.data();
    Posting* const end = std::remove_if(
        begin, begin + block.count,
        [&slots](const Posting& held) { return slots.Contains(held.slot); });
    count_ -= static_cast<size_t>(begin + block.count - end);
    if (begin != end) kept.push_back(Pack(begin, end));
  }
  blocks_ = std::move(kept);
}

// The greatest frequency, the number of blocks, and each: the number of
// postings, the first slot, how far the last one is from it, its bytes.
bool TermPostings::Save(Slot end, std::string& bytes) const {
  size_t whole = FindBlock(0, end);
  const auto append = [&bytes](const Block& block) {
    AppendVarint(block.count, bytes);
    AppendVarint(block.first, bytes);
    AppendVarint(block.last - block.first, bytes);
    AppendVarint(block.bytes.size(), bytes);
    bytes.append(block.bytes);
  };
  Block part;
  if (whole < blocks_.size() && blocks_[whole].first < end) {
    Unpacked unpacked;
    Unpack(blocks_[whole], unpacked);
    const Posting* const begin = unpacked.data();
    part = Pack(begin, std::find_if(begin, begin + blocks_[whole].count,
                                    [end](const Posting& posting) {
                                      return posting.slot >= end;
                                    }));
  }
  const size_t blocks = whole + (part.count > 0 ? 1 : 0);
  if (blocks == 0) return false;
  AppendVarint(frequency_max_, bytes);
  AppendVarint(blocks, bytes);
  for (size_t block = 0; block < whole; ++block) append(blocks_[block]);
  if (part.count > 0) append(part);
  return true;
}

bool TermPostings::UnpackChecked(const Block& block, Unpacked& postings) {
  const char* at = block.bytes.data();
  const char* const end = at + block.bytes.size();
  uint64_t slot = block.first;
  for (uint32_t i = 0; i < block.count; ++i) {
    uint64_t head, frequency = 1;
    if (!ReadVarint(at, end, ~uint64_t{0} >> 1, head)) return false;
    slot += head >> 1;
    if (slot > block.last || (i > 0) != (head >> 1 > 0)) return false;
    if ((head & 1) != 0 && !ReadVarint(at, end, 0xffffffff, frequency)) {
      return false;
    }
    postings[i] = {static_cast<Slot>(slot), static_cast<uint32_t>(frequency)};
  }
  return at == end && slot == block.last;
}

bool TermPostings::Load(SectionReader& reader) {
  uint64_t frequency, blocks;
  if (!reader.Count(frequency, 0xffffffff) ||
      !reader.Count(blocks, reader.remaining())) {
    return false;
  }
  frequency_max_ = static_cast<uint32_t>(frequency);
  blocks_.reserve(blocks);
  Unpacked unpacked;
  for (uint64_t i = 0; i < blocks; ++i) {
    Block block;
    uint64_t count, first, length;
    if (!reader.Count(count, kBlockPostings) ||
        !reader.Count(first, 0xffffffff) ||
        !reader.Count(length, 0xffffffff - first) ||
        !reader.String(block.bytes)) {
      return false;
    }
    block.count = static_cast<uint32_t>(count);
    block.first = static_cast<Slot>(first);
    block.last = static_cast<Slot>(first + length);
    if (count == 0 || (i > 0 && block.first <= blocks_.back().last) ||
        !UnpackChecked(block, unpacked)) {
      return reader.Fail("the slots of a word have not their form");
    }
    count_ += count;
    blocks_.push_back(std::move(block));
  }
  return count_ > 0 || reader.Fail("a word has no slots");
}

}  // namespace diptych::storage
