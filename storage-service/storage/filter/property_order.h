// The order in which objects are listed by a property.
//
// Operation: scalars only, false before true, then numbers (int64 and double as
// one), then texts by their first 256 bytes, then timestamps; turned about when
// descending. Objects without one (absent, null, NaN, a list, a place, a
// picture) come last both ways. Equals are in the order of their ids, both
// ways.
// Concurrency: pure functions.
// Limits: a group of equal values is gone through for each page that begins or
// ends in it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "storage/index/slot_set.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

struct PropertyTable;

// Texts are equal here whose first so many bytes are.
inline constexpr size_t kOrderedTextBytesMax = 256;

// What decides a value's place; nullopt: it has none. Numbers that are equal
// have equal values.
std::optional<FilterOperand> OrderValueOf(const PropertyValue& value);

// An object's place.
struct OrderPosition {
  std::optional<FilterOperand> value;
  std::string id;
  friend bool operator==(const OrderPosition&, const OrderPosition&) = default;
};

struct OrderedSlot {
  Slot slot = 0;
  OrderPosition position;
};

// Keys are stable: id_of_slot points to them.
using SlotsById = std::map<std::string, Slot, std::less<>>;
struct Ids {
  const SlotsById& slot_of_id;
  const absl::flat_hash_map<Slot, const std::string*>& id_of_slot;
};

// At most `limit` of the slots in the order of their ids, behind `after`.
std::vector<OrderedSlot> ListById(const Ids& ids, const SlotSet& slots,
                                  absl::string_view after, size_t limit);

using TextSlots = std::map<std::string, std::vector<Slot>, std::less<>>;

// The same in the order of the property's value. `long_texts` are those that
// the table does not hold, by OrderValueOf.
std::vector<OrderedSlot> ListByValue(const Ids& ids, const PropertyTable& table,
                                     const TextSlots& long_texts,
                                     const SlotSet& slots, bool descending,
                                     const std::optional<OrderPosition>& after,
                                     size_t limit);

}  // namespace diptych::storage
