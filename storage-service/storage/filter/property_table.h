// What the property index knows of one property.
//
// Operation: the slots of every value (ValuePostings), and those facts of a
// value that are no posting.
// Concurrency: a plain value; const methods may run at the same time.
// Limits: as ValuePostings.
#pragma once

#include <cstddef>

#include "absl/container/btree_map.h"
#include "storage/filter/value_postings.h"
#include "storage/index/slot_set.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

struct PropertyTable {
  SlotSet present;         // holds anything but null
  SlotSet ordered;         // the value itself has a place in an order
  ValuePostings scalars;   // the value itself
  ValuePostings elements;  // of lists
  SlotSet long_texts;      // the value itself is a text too long to be held
  absl::btree_map<Slot, GeoPoint> points;

  void Add(const PropertyValue& value, Slot slot);
  // `value` is what it was added with.
  void Remove(const PropertyValue& value, Slot slot);
  void RemoveAll(const SlotSet& slots);
  size_t memory_bytes() const;
};

}  // namespace diptych::storage
