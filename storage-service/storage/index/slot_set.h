// A set of slots. A slot is a collection's own small number for an object: the
// index, the filters and the record store speak of slots, never of ids.
//
// Operation: a thin value over a Roaring bitmap
// (https://arxiv.org/abs/1603.06549), which it alone includes. Dense and sparse
// sets are both small: at most 2 bytes per slot plus 16 per occupied range of
// 65,536.
// Concurrency: a plain value; const methods may run at the same time.
// Limits: slots are 32 bits wide. Running out of memory throws
// (std::bad_alloc or std::runtime_error), as for any container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <optional>
#include <roaring/roaring.hh>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace diptych::storage {

using Slot = uint32_t;

class SlotSet {
 public:
  SlotSet() = default;
  SlotSet(std::initializer_list<Slot> slots)
      : SlotSet(absl::Span<const Slot>(slots.begin(), slots.size())) {}
  // In any order, repetitions allowed.
  explicit SlotSet(absl::Span<const Slot> slots)
      : bitmap_(slots.size(), slots.data()) {}

  // [first, end).
  static SlotSet Range(uint64_t first, uint64_t end) {
    SlotSet set;
    if (first < end) set.bitmap_.addRange(first, end);
    return set;
  }

  void Add(Slot slot) { bitmap_.add(slot); }
  void AddAll(absl::Span<const Slot> slots) {
    bitmap_.addMany(slots.size(), slots.data());
  }
  // True if it was there.
  bool Remove(Slot slot) { return bitmap_.removeChecked(slot); }
  bool Contains(Slot slot) const { return bitmap_.contains(slot); }
  size_t Count() const { return bitmap_.cardinality(); }
  bool empty() const { return bitmap_.isEmpty(); }

  SlotSet& operator|=(const SlotSet& other) {
    bitmap_ |= other.bitmap_;
    return *this;
  }
  SlotSet& operator&=(const SlotSet& other) {
    bitmap_ &= other.bitmap_;
    return *this;
  }
  SlotSet& operator-=(const SlotSet& other) {
    bitmap_ -= other.bitmap_;
    return *this;
  }
  // Of many sets, faster than one after the other.
  static SlotSet Union(absl::Span<const SlotSet* const> sets) {
    std::vector<const Roaring*> bitmaps;
    bitmaps.reserve(sets.size());
    for (const SlotSet* set : sets) bitmaps.push_back(&set->bitmap_);
    SlotSet all;
    all.bitmap_ = Roaring::fastunion(bitmaps.size(), bitmaps.data());
    return all;
  }
  // Of this set and `other`, without making the set.
  size_t IntersectionCount(const SlotSet& other) const {
    return bitmap_.and_cardinality(other.bitmap_);
  }

  // Calls visit(slot) in ascending order from the first slot >= `first`, until
  // it returns false.
  template <typename Visit>
  void ForEachFrom(Slot first, Visit visit) const {
    if (empty()) return;
    auto position = bitmap_.begin();
    position.equalorlarger(first);
    for (const auto end = bitmap_.end(); position != end; ++position) {
      if (!visit(*position)) return;
    }
  }
  // Calls visit(slot) in ascending order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    bitmap_.iterate(
        [](uint32_t slot, void* parameter) {
          (*static_cast<Visit*>(parameter))(slot);
          return true;
        },
        &visit);
  }
  // Ascending.
  std::vector<Slot> ToVector() const {
    std::vector<Slot> slots(Count());
    bitmap_.toUint32Array(slots.data());
    return slots;
  }

  // Without the slots from `end` on.
  SlotSet Before(Slot end) const {
    if (empty() || bitmap_.maximum() < end) return *this;
    SlotSet before = Range(0, end);
    before &= *this;
    return before;
  }

  size_t memory_bytes() const { return bitmap_.getSizeInBytes(false); }

  // In Roaring's portable form
  // (https://github.com/RoaringBitmap/RoaringFormatSpec).
  std::string Serialize() const {
    std::string bytes(bitmap_.getSizeInBytes(true), '\0');
    bitmap_.write(bytes.data(), true);
    return bytes;
  }
  // nullopt: the bytes are not of that form.
  static std::optional<SlotSet> Parse(absl::string_view bytes) {
    SlotSet set;
    try {
      set.bitmap_ = Roaring::readSafe(bytes.data(), bytes.size());
    } catch (const std::exception&) {
      return std::nullopt;
    }
    return set;
  }

  friend bool operator==(const SlotSet& a, const SlotSet& b) {
    return a.bitmap_ == b.bitmap_;
  }

 private:
  Roaring bitmap_;
};

}  // namespace diptych::storage
