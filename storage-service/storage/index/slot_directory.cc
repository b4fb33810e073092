#include "storage/index/slot_directory.h"

#include <algorithm>
#include <numeric>

namespace diptych::storage {

SlotDirectory::SlotDirectory(const VectorRows& rows) : rows_(rows) {
  const size_t count = rows.count();
  std::vector<Slot> slots(count);
  for (size_t row = 0; row < count; ++row) {
    slots[row] = rows.slot(row);
    if (row > 0 && slots[row] <= slots[row - 1]) ascending_ = false;
  }
  slots_ = SlotSet(slots);
  if (ascending_) {
    without_gaps_ = count > 0 && slots.back() - slots.front() == count - 1;
    return;
  }
  order_.resize(count);
  std::iota(order_.begin(), order_.end(), 0);
  // The last row of a slot comes first, so that unique() keeps it.
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    return slots[a] != slots[b] ? slots[a] < slots[b] : a > b;
  });
  order_.erase(
      std::unique(order_.begin(), order_.end(),
                  [&](uint32_t a, uint32_t b) { return slots[a] == slots[b]; }),
      order_.end());
  order_.shrink_to_fit();
}

size_t SlotDirectory::LowerBound(size_t first, Slot slot) const {
  // Galloping: who asks for ascending slots finds the next one close by.
  size_t step = 1, low = first, high = first;
  const size_t end = entries();
  while (high < end && rows_.slot(RowAt(high)) < slot) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = std::min(high, end);
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (rows_.slot(RowAt(middle)) < slot) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<size_t> SlotDirectory::Find(Slot slot) const {
  if (!slots_.Contains(slot)) return std::nullopt;
  return RowAt(LowerBound(0, slot));
}

}  // namespace diptych::storage
