// For every value of one property, the slots that hold it.
//
// Operation: ordered tables of numbers, texts and timestamps, and a pair of
// lists for bools. Numbers are keyed exactly: an int64 and a double of the same
// value share a key. A long text is known by its hash only (see PropertyIndex).
// Concurrency: const methods may run at the same time.
// Limits: some 70 bytes per distinct value, 2 to 4 per further slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "storage/index/slot_set.h"
#include "storage/section_file/section_reader.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// Slots of one value. Most values of most properties have one.
class PostingList {
 public:
  void Add(Slot slot);
  void Remove(Slot slot);  // nothing if it is not there
  bool empty() const { return count_ == 0; }
  void AddTo(SlotSet& set) const;
  // Null when there is at most one.
  const SlotSet* many() const { return many_.get(); }
  template <typename Visit>
  void ForEach(Visit visit) const {
    if (many_ != nullptr) {
      many_->ForEach(visit);
    } else if (count_ == 1) {
      visit(only_);
    }
  }
  size_t memory_bytes() const;

  void RemoveAll(const SlotSet& slots);
  // Of the slots below `end`; nothing where there is none (false).
  bool Save(Slot end, std::string& bytes) const;
  bool Load(SectionReader& reader);

 private:
  size_t count_ = 0;
  Slot only_ = 0;                  // when count_ is 1
  std::unique_ptr<SlotSet> many_;  // when count_ is more
};

// A number that is not NaN; whole doubles within int64 are kept as int64.
class NumberKey {
 public:
  explicit NumberKey(int64_t value) : value_(value) {}
  explicit NumberKey(double value);
  friend bool operator<(const NumberKey& a, const NumberKey& b);
  FilterOperand operand() const;

 private:
  std::variant<int64_t, double> value_;
};

class ValuePostings {
 public:
  // Texts of more bytes are kept as their hash.
  static constexpr size_t kTextBytesMax = 256;

  // Values of other types, and NaN, are not held.
  template <typename Scalar>
  void Add(const Scalar& value, Slot slot);
  template <typename Scalar>
  void Remove(const Scalar& value, Slot slot);

  // The slots that hold the operand. Of a long text those that may hold it,
  // because they hold one of the same hash.
  void FindEqual(const FilterOperand& operand, SlotSet& found) const;
  // op is one of <, <=, >, >=. Long texts are left out.
  void FindOrdered(CompareOperator op, const FilterOperand& operand,
                   SlotSet& found) const;
  // Of every text but the long ones.
  void FindTexts(const std::function<bool(const std::string&)>& matches,
                 SlotSet& found) const;

  // The tables themselves, for walking in their order.
  using NumberTable = absl::btree_map<NumberKey, PostingList>;
  using TextTable = absl::btree_map<std::string, PostingList, std::less<>>;
  using TimestampTable = absl::btree_map<Timestamp, PostingList>;
  using LongTextTable = absl::btree_map<uint64_t, PostingList>;
  const PostingList& slots_of(bool value) const { return bools_[value]; }
  const NumberTable& numbers() const { return numbers_; }
  const TextTable& texts() const { return texts_; }
  const TimestampTable& timestamps() const { return timestamps_; }

  // Where a property is saved, one piece after the other, this says where the
  // next begins.
  struct SavePosition {
    int table = 0;
    std::optional<NumberKey> number;
    std::optional<std::string> text;
    std::optional<Timestamp> timestamp;
    std::optional<uint64_t> hash;
  };
  // Appends the next entries; false: there are no more.
  bool SavePiece(Slot end, SavePosition& position, std::string& bytes) const;
  // One piece; false: the reader says why. `more`: whether another follows.
  bool LoadPiece(SectionReader& reader, bool& more);

  void RemoveAll(const SlotSet& slots);

  size_t memory_bytes() const;

 private:
  NumberTable numbers_;
  TextTable texts_;
  TimestampTable timestamps_;
  LongTextTable long_texts_;  // by XXH3-64
  PostingList bools_[2];
};

}  // namespace diptych::storage
