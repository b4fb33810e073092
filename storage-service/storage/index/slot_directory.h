// Which row of a sealed segment holds a slot.
//
// Operation: nothing but the rows' own order where slots ascend, as they do
// when slots are handed out in sequence; a sorted list of rows otherwise. Of a
// slot that was removed and added again, the last row counts.
// Concurrency: immutable; refers to the rows, which must outlive it.
// Limits: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/index/slot_set.h"
#include "storage/index/vector_rows.h"

namespace diptych::storage {

class SlotDirectory {
 public:
  // Of the rows there are now; no more may follow.
  explicit SlotDirectory(const VectorRows& rows);

  std::optional<size_t> Find(Slot slot) const;
  // Calls visit(row) for those of `allowed` that are here, dead ones included,
  // ascending by slot.
  template <typename Visit>
  void ForEachRowOf(const SlotSet& allowed, Visit visit) const {
    SlotSet here = slots_;
    here &= allowed;
    if (without_gaps_) {
      const Slot first = rows_.slot(0);
      here.ForEach([&](Slot slot) { visit(size_t{slot} - first); });
      return;
    }
    size_t entry = 0;
    here.ForEach([&](Slot slot) {
      entry = LowerBound(entry, slot);
      visit(RowAt(entry));
    });
  }
  // How many of `allowed` are here, dead ones included.
  size_t CountOf(const SlotSet& allowed) const {
    return slots_.IntersectionCount(allowed);
  }
  size_t memory_bytes() const {
    return slots_.memory_bytes() + order_.capacity() * sizeof(uint32_t);
  }

 private:
  size_t entries() const { return ascending_ ? rows_.count() : order_.size(); }
  size_t RowAt(size_t entry) const {
    return ascending_ ? entry : order_[entry];
  }
  // The first entry at or after `first` whose slot is not below `slot`.
  size_t LowerBound(size_t first, Slot slot) const;

  const VectorRows& rows_;
  bool ascending_ = true;
  bool without_gaps_ = false;    // ascending by ones: row = slot - first slot
  std::vector<uint32_t> order_;  // rows by slot; empty when ascending
  SlotSet slots_;
};

}  // namespace diptych::storage
