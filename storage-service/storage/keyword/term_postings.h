// The slots of one term, with how often each holds it.
//
// Operation: blocks of up to kBlockPostings slots in ascending order, each
// compressed: differences of slots and frequencies as variable-length integers,
// 1 to 2 bytes per slot as a rule. A cursor unpacks the blocks it comes to.
// Concurrency: a plain value; const methods and cursors may run at the same
// time.
// Limits: a removal or an insertion before the end rewrites one block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/index/slot_set.h"
#include "storage/section_file/section_reader.h"

namespace diptych::storage {

class TermPostings {
 public:
  static constexpr size_t kBlockPostings = 128;

  class Cursor;

  // The slot is not there yet; frequency is at least 1.
  void Add(Slot slot, uint32_t frequency);
  // Nothing if it is not there.
  void Remove(Slot slot);

  size_t count() const { return count_; }
  // No frequency is greater. It does not shrink when slots are removed.
  uint32_t frequency_max() const { return frequency_max_; }
  // Beside this value itself.
  size_t memory_bytes() const;

  void RemoveAll(const SlotSet& slots);
  // Appends those below `end`; false: there is none, and nothing is appended.
  bool Save(Slot end, std::string& bytes) const;
  // Into postings that are empty. Every posting is checked.
  bool Load(SectionReader& reader);

 private:
  struct Posting {
    Slot slot = 0;
    uint32_t frequency = 0;
  };
  struct Block {
    Slot first = 0;
    Slot last = 0;
    uint32_t count = 0;
    std::string bytes;
  };
  using Unpacked = std::array<Posting, kBlockPostings>;

  static void Append(const Posting& posting, Block& block);
  static void Unpack(const Block& block, Unpacked& postings);
  // As Unpack, of bytes that may be anything; false: they are no such block.
  static bool UnpackChecked(const Block& block, Unpacked& postings);
  static Block Pack(const Posting* begin, const Posting* end);
  // The first block whose last slot is not before `slot`.
  size_t FindBlock(size_t from, Slot slot) const;
  void MergeWithNext(size_t block);

  size_t count_ = 0;
  uint32_t frequency_max_ = 0;
  std::vector<Block> blocks_;  // none empty
};

// Walks the slots in ascending order. The postings must outlive it and must not
// change meanwhile.
class TermPostings::Cursor {
 public:
  explicit Cursor(const TermPostings* postings);

  bool done() const { return block_ == postings_->blocks_.size(); }
  // Not when done.
  Slot slot() const { return unpacked_[position_].slot; }
  uint32_t frequency() const { return unpacked_[position_].frequency; }

  void Next();
  // To the first slot that is not before `slot`; never backwards.
  void SeekTo(Slot slot);

 private:
  void Enter(size_t block);

  const TermPostings* postings_;
  size_t block_ = 0;
  size_t position_ = 0;
  Unpacked unpacked_;
};

}  // namespace diptych::storage
