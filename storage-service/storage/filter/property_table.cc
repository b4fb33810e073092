#include "storage/filter/property_table.h"

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "storage/filter/property_order.h"

namespace diptych::storage {
namespace {

template <typename T>
constexpr bool kIsScalar =
    std::is_same_v<T, bool> || std::is_same_v<T, int64_t> ||
    std::is_same_v<T, double> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, Timestamp>;

bool IsLong(const PropertyValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && text->size() > ValuePostings::kTextBytesMax;
}

}  // namespace

void PropertyTable::Add(const PropertyValue& value, Slot slot) {
  if (std::holds_alternative<std::monostate>(value)) return;
  present.Add(slot);
  if (OrderValueOf(value).has_value()) ordered.Add(slot);
  if (IsLong(value)) long_texts.Add(slot);
  std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (kIsScalar<T>) {
          scalars.Add(held, slot);
        } else if constexpr (std::is_same_v<T, GeoPoint>) {
          points[slot] = held;
        } else if constexpr (!std::is_same_v<T, std::monostate> &&
                             !std::is_same_v<T, ImageReference>) {
          for (const typename T::value_type& element : held) {
            elements.Add(element, slot);
          }
        }
      },
      value);
}

void PropertyTable::Remove(const PropertyValue& value, Slot slot) {
  present.Remove(slot);
  ordered.Remove(slot);
  long_texts.Remove(slot);
  points.erase(slot);
  std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (kIsScalar<T>) {
          scalars.Remove(held, slot);
        } else if constexpr (!std::is_same_v<T, std::monostate> &&
                             !std::is_same_v<T, ImageReference> &&
                             !std::is_same_v<T, GeoPoint>) {
          for (const typename T::value_type& element : held) {
            elements.Remove(element, slot);
          }
        }
      },
      value);
}

void PropertyTable::RemoveAll(const SlotSet& slots) {
  present -= slots;
  ordered -= slots;
  long_texts -= slots;
  scalars.RemoveAll(slots);
  elements.RemoveAll(slots);
  absl::erase_if(points, [&slots](const auto& entry) {
    return slots.Contains(entry.first);
  });
}

size_t PropertyTable::memory_bytes() const {
  return present.memory_bytes() + ordered.memory_bytes() +
         long_texts.memory_bytes() + scalars.memory_bytes() +
         elements.memory_bytes() +
         points.size() * (sizeof(Slot) + sizeof(GeoPoint) + 8);
}

}  // namespace diptych::storage
