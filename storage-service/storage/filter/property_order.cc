#include "storage/filter/property_order.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>
#include <utility>
#include <variant>

#include "storage/filter/property_table.h"

namespace diptych::storage {
namespace {

// Below this share of all ids, slots are sorted rather than met on the way
// through the ids.
constexpr size_t kIdsPerSlot = 16;

using Member = std::pair<const std::string*, Slot>;

bool IdBefore(const Member& a, const Member& b) { return *a.first < *b.first; }

// Fills one page.
class Page {
 public:
  Page(const Ids& ids, const SlotSet& slots,
       const std::optional<OrderPosition>& after, size_t limit)
      : ids_(ids), slots_(slots), after_(after), limit_(limit) {}

  bool full() const { return entries_.size() >= limit_; }

  // Slots of one value, by their ids; `each(visit)` visits them.
  template <typename Each>
  void AddGroup(const std::optional<FilterOperand>& value, const Each& each) {
    const bool begun = after_.has_value() && after_->value == value;
    std::vector<Member> members;
    each([&](Slot slot) {
      if (!slots_.Contains(slot)) return;
      const std::string* id = ids_.id_of_slot.at(slot);
      if (!begun || after_->id < *id) members.emplace_back(id, slot);
    });
    const size_t wanted = std::min(limit_ - entries_.size(), members.size());
    std::partial_sort(members.begin(),
                      members.begin() + static_cast<ptrdiff_t>(wanted),
                      members.end(), IdBefore);
    for (size_t i = 0; i < wanted; ++i) {
      entries_.push_back({members[i].second, {value, *members[i].first}});
    }
  }

  std::vector<OrderedSlot> Take() { return std::move(entries_); }

 private:
  const Ids& ids_;
  const SlotSet& slots_;
  const std::optional<OrderPosition>& after_;
  const size_t limit_;
  std::vector<OrderedSlot> entries_;
};

// Which of the ordered kinds a value is; one more for none.
enum Kind { kBools, kNumbers, kTexts, kTimestamps, kNone };

Kind KindOf(const FilterOperand& value) {
  if (std::holds_alternative<bool>(value)) return kBools;
  if (std::holds_alternative<std::string>(value)) return kTexts;
  if (std::holds_alternative<Timestamp>(value)) return kTimestamps;
  return kNumbers;
}

// Calls visit(entry) from `from` (null: from the first) in the order of keys or
// against it, until it returns false.
template <typename Table, typename Key, typename Visit>
void Walk(const Table& table, bool descending, const Key* from,
          const Visit& visit) {
  if (descending) {
    auto at = std::make_reverse_iterator(
        from == nullptr ? table.end() : table.upper_bound(*from));
    for (; at != table.rend(); ++at) {
      if (!visit(*at)) return;
    }
    return;
  }
  auto at = from == nullptr ? table.begin() : table.lower_bound(*from);
  for (; at != table.end(); ++at) {
    if (!visit(*at)) return;
  }
}

class ValueWalk {
 public:
  ValueWalk(const PropertyTable& table, const TextSlots& long_texts,
            bool descending, const FilterOperand* from, Page& page)
      : values_(table.scalars),
        long_texts_(long_texts),
        descending_(descending),
        from_(from),
        page_(page) {}

  void Run() {
    for (int step = kBools; step < kNone; ++step) {
      const auto kind =
          static_cast<Kind>(descending_ ? kTimestamps - step : step);
      if (page_.full()) return;
      if (from_ != nullptr &&
          (descending_ ? KindOf(*from_) < kind : kind < KindOf(*from_))) {
        continue;
      }
      RunKind(kind);
    }
  }

 private:
  // Where to begin within the kind; null: at its first.
  template <typename T>
  const T* From() const {
    return from_ == nullptr ? nullptr : std::get_if<T>(from_);
  }

  template <typename Table, typename Key, typename ValueOf>
  void RunTable(const Table& table, const Key* from, const ValueOf& value_of) {
    Walk(table, descending_, from, [&](const auto& entry) {
      page_.AddGroup(value_of(entry.first),
                     [&](const auto& visit) { entry.second.ForEach(visit); });
      return !page_.full();
    });
  }

  void RunKind(Kind kind) {
    switch (kind) {
      case kBools:
        for (const bool value : {descending_, !descending_}) {
          const bool* from = From<bool>();
          if (page_.full() ||
              (from != nullptr && *from != value && *from == !descending_)) {
            continue;
          }
          page_.AddGroup(FilterOperand(value), [&](const auto& visit) {
            values_.slots_of(value).ForEach(visit);
          });
        }
        break;
      case kNumbers: {
        std::optional<NumberKey> from;
        if (const auto* whole = From<int64_t>()) from.emplace(*whole);
        if (const auto* real = From<double>()) from.emplace(*real);
        RunTable(values_.numbers(), from.has_value() ? &*from : nullptr,
                 [](const NumberKey& key) { return key.operand(); });
        break;
      }
      case kTexts:
        RunTexts();
        break;
      case kTimestamps:
        RunTable(values_.timestamps(), From<Timestamp>(),
                 [](Timestamp key) { return FilterOperand(key); });
        break;
      case kNone:
        break;
    }
  }

  // Texts that are held, and those that were read, as one.
  void RunTexts() {
    const auto add = [this](const std::string& text) {
      page_.AddGroup(FilterOperand(text), [&](const auto& visit) {
        const auto held = values_.texts().find(text);
        if (held != values_.texts().end()) held->second.ForEach(visit);
        const auto read = long_texts_.find(text);
        if (read == long_texts_.end()) return;
        for (const Slot slot : read->second) visit(slot);
      });
    };
    const auto* from = From<std::string>();
    std::vector<const std::string*> read;
    Walk(long_texts_, descending_, from, [&](const auto& entry) {
      read.push_back(&entry.first);
      return true;
    });
    auto next = read.begin();
    const auto add_read_before = [&](const std::string* text) {
      for (; next != read.end() && !page_.full(); ++next) {
        if (text != nullptr &&
            (descending_ ? **next <= *text : **next >= *text)) {
          break;
        }
        add(**next);
      }
    };
    Walk(values_.texts(), descending_, from, [&](const auto& entry) {
      add_read_before(&entry.first);
      if (page_.full()) return false;
      if (next != read.end() && **next == entry.first) ++next;
      add(entry.first);
      return !page_.full();
    });
    add_read_before(nullptr);
  }

  const ValuePostings& values_;
  const TextSlots& long_texts_;
  const bool descending_;
  const FilterOperand* const from_;
  Page& page_;
};

}  // namespace

std::optional<FilterOperand> OrderValueOf(const PropertyValue& value) {
  return std::visit(
      [](const auto& held) -> std::optional<FilterOperand> {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, double>) {
          if (std::isnan(held)) return std::nullopt;
          return NumberKey(held).operand();
        } else if constexpr (std::is_same_v<T, std::string>) {
          return FilterOperand(held.substr(0, kOrderedTextBytesMax));
        } else if constexpr (std::is_same_v<T, bool> ||
                             std::is_same_v<T, int64_t> ||
                             std::is_same_v<T, Timestamp>) {
          return FilterOperand(held);
        } else {
          return std::nullopt;
        }
      },
      value);
}

std::vector<OrderedSlot> ListById(const Ids& ids, const SlotSet& slots,
                                  absl::string_view after, size_t limit) {
  std::vector<OrderedSlot> entries;
  if (slots.Count() < ids.slot_of_id.size() / kIdsPerSlot) {
    const std::optional<OrderPosition> position =
        OrderPosition{std::nullopt, std::string(after)};
    Page page(ids, slots, position, limit);
    page.AddGroup(std::nullopt,
                  [&slots](const auto& visit) { slots.ForEach(visit); });
    return page.Take();
  }
  for (auto at = ids.slot_of_id.upper_bound(after);
       at != ids.slot_of_id.end() && entries.size() < limit; ++at) {
    if (slots.Contains(at->second)) {
      entries.push_back({at->second, {std::nullopt, at->first}});
    }
  }
  return entries;
}

std::vector<OrderedSlot> ListByValue(const Ids& ids, const PropertyTable& table,
                                     const TextSlots& long_texts,
                                     const SlotSet& slots, bool descending,
                                     const std::optional<OrderPosition>& after,
                                     size_t limit) {
  Page page(ids, slots, after, limit);
  if (!after.has_value() || after->value.has_value()) {
    const FilterOperand* from = after.has_value() ? &*after->value : nullptr;
    ValueWalk(table, long_texts, descending, from, page).Run();
  }
  if (!page.full()) {
    SlotSet others = slots;
    others -= table.ordered;
    page.AddGroup(std::nullopt,
                  [&others](const auto& visit) { others.ForEach(visit); });
  }
  return page.Take();
}

}  // namespace diptych::storage
