// How long each slot's text is: an array over slots, in pages that are there
// only where slots are.
//
// Concurrency: a plain value; const methods may run at the same time.
// Limits: 4 bytes per slot and 4 KiB per occupied page of 1,024 slots, 8 bytes
// per page up to the greatest slot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "storage/index/slot_set.h"

namespace diptych::storage {

class SlotLengths {
 public:
  // The slot is not there yet; length is at least 1.
  void Add(Slot slot, uint32_t length) {
    if (slot / kPageSlots >= pages_.size()) {
      pages_.resize(slot / kPageSlots + 1);
    }
    std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
    if (page == nullptr) {
      page = std::make_unique<Page>();
      ++pages_held_;
    }
    page->lengths[slot % kPageSlots] = length;
    ++page->held;
  }
  // The slot is there.
  void Remove(Slot slot) {
    std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
    page->lengths[slot % kPageSlots] = 0;
    if (--page->held > 0) return;
    page.reset();
    --pages_held_;
  }
  // Of a slot that is there.
  uint32_t Get(Slot slot) const {
    return pages_[slot / kPageSlots]->lengths[slot % kPageSlots];
  }

  size_t memory_bytes() const {
    return pages_.capacity() * sizeof(pages_[0]) + pages_held_ * sizeof(Page);
  }

 private:
  static constexpr size_t kPageSlots = 1024;
  struct Page {
    std::array<uint32_t, kPageSlots> lengths = {};
    size_t held = 0;
  };
  std::vector<std::unique_ptr<Page>> pages_;
  size_t pages_held_ = 0;
};

}  // namespace diptych::storage
