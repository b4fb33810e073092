#include "storage/filter/value_postings.h"

#include <xxhash.h>

#include <cmath>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/filter/value_comparison.h"

namespace diptych::storage {
namespace {

// What a table's entry costs besides its list.
constexpr size_t kEntryBytes = 48;

uint64_t HashOf(const std::string& text) {
  return XXH3_64bits(text.data(), text.size());
}

// Adds up the lists of many values. One by one, every union would copy what was
// found before it.
class PostingUnion {
 public:
  void Add(const PostingList& list) {
    if (list.many() != nullptr) {
      many_.push_back(list.many());
    } else {
      list.ForEach([this](Slot slot) { single_.push_back(slot); });
    }
  }
  void AddTo(SlotSet& found) const {
    found.AddAll(single_);
    if (!many_.empty()) found |= SlotSet::Union(many_);
  }

 private:
  std::vector<Slot> single_;
  std::vector<const SlotSet*> many_;
};

template <typename Table, typename Key>
void RemoveFrom(Table& table, const Key& key, Slot slot) {
  const auto found = table.find(key);
  if (found == table.end()) return;
  found->second.Remove(slot);
  if (found->second.empty()) table.erase(found);
}

template <typename Table, typename Key>
void FindIn(const Table& table, const Key& key, SlotSet& found) {
  if (const auto entry = table.find(key); entry != table.end()) {
    entry->second.AddTo(found);
  }
}

template <typename Table, typename Key>
void FindOrderedIn(const Table& table, CompareOperator op, const Key& key,
                   SlotSet& found) {
  auto first = table.begin();
  auto end = table.end();
  switch (op) {
    case CompareOperator::kLess:
      end = table.lower_bound(key);
      break;
    case CompareOperator::kLessOrEqual:
      end = table.upper_bound(key);
      break;
    case CompareOperator::kGreater:
      first = table.upper_bound(key);
      break;
    case CompareOperator::kGreaterOrEqual:
      first = table.lower_bound(key);
      break;
    case CompareOperator::kEqual:
    case CompareOperator::kNotEqual:
      return;
  }
  PostingUnion postings;
  for (; first != end; ++first) postings.Add(first->second);
  postings.AddTo(found);
}

template <typename Table>
size_t MemoryOf(const Table& table) {
  size_t bytes = 0;
  for (const auto& [key, list] : table) {
    bytes += kEntryBytes + list.memory_bytes();
  }
  return bytes;
}

}  // namespace

void PostingList::Add(Slot slot) {
  if (count_ == 0) {
    only_ = slot;
    count_ = 1;
    return;
  }
  if (count_ == 1) {
    if (only_ == slot) return;
    many_ = std::make_unique<SlotSet>();
    many_->Add(only_);
  }
  if (many_->Contains(slot)) return;
  many_->Add(slot);
  ++count_;
}

void PostingList::Remove(Slot slot) {
  if (count_ == 1) {
    if (only_ == slot) count_ = 0;
    return;
  }
  if (many_ == nullptr || !many_->Remove(slot)) return;
  if (--count_ == 1) {
    only_ = many_->ToVector().front();
    many_.reset();
  }
}

void PostingList::AddTo(SlotSet& set) const {
  if (many_ != nullptr) {
    set |= *many_;
  } else if (count_ == 1) {
    set.Add(only_);
  }
}

size_t PostingList::memory_bytes() const {
  return sizeof(PostingList) + (many_ ? many_->memory_bytes() + 32 : 0);
}

NumberKey::NumberKey(double value) : value_(value) {
  constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;
  if (value >= -kTwoTo63 && value < kTwoTo63 && std::trunc(value) == value) {
    value_ = static_cast<int64_t>(value);
  }
}

FilterOperand NumberKey::operand() const {
  return std::visit([](auto value) { return FilterOperand(value); }, value_);
}

bool operator<(const NumberKey& a, const NumberKey& b) {
  const auto* whole_a = std::get_if<int64_t>(&a.value_);
  const auto* whole_b = std::get_if<int64_t>(&b.value_);
  if (whole_a != nullptr && whole_b != nullptr) return *whole_a < *whole_b;
  if (whole_a != nullptr) {
    return CompareNumbers(*whole_a, std::get<double>(b.value_)) < 0;
  }
  if (whole_b != nullptr) {
    return CompareNumbers(*whole_b, std::get<double>(a.value_)) > 0;
  }
  return std::get<double>(a.value_) < std::get<double>(b.value_);
}

template <typename Scalar>
void ValuePostings::Add(const Scalar& value, Slot slot) {
  if constexpr (std::is_same_v<Scalar, bool>) {
    bools_[value].Add(slot);
  } else if constexpr (std::is_same_v<Scalar, int64_t>) {
    numbers_[NumberKey(value)].Add(slot);
  } else if constexpr (std::is_same_v<Scalar, double>) {
    if (!std::isnan(value)) numbers_[NumberKey(value)].Add(slot);
  } else if constexpr (std::is_same_v<Scalar, Timestamp>) {
    timestamps_[value].Add(slot);
  } else if (value.size() <= kTextBytesMax) {
    texts_[value].Add(slot);
  } else {
    long_texts_[HashOf(value)].Add(slot);
  }
}

template <typename Scalar>
void ValuePostings::Remove(const Scalar& value, Slot slot) {
  if constexpr (std::is_same_v<Scalar, bool>) {
    bools_[value].Remove(slot);
  } else if constexpr (std::is_same_v<Scalar, int64_t>) {
    RemoveFrom(numbers_, NumberKey(value), slot);
  } else if constexpr (std::is_same_v<Scalar, double>) {
    if (!std::isnan(value)) RemoveFrom(numbers_, NumberKey(value), slot);
  } else if constexpr (std::is_same_v<Scalar, Timestamp>) {
    RemoveFrom(timestamps_, value, slot);
  } else if (value.size() <= kTextBytesMax) {
    RemoveFrom(texts_, value, slot);
  } else {
    RemoveFrom(long_texts_, HashOf(value), slot);
  }
}

template void ValuePostings::Add(const bool&, Slot);
template void ValuePostings::Add(const int64_t&, Slot);
template void ValuePostings::Add(const double&, Slot);
template void ValuePostings::Add(const std::string&, Slot);
template void ValuePostings::Add(const Timestamp&, Slot);
template void ValuePostings::Remove(const bool&, Slot);
template void ValuePostings::Remove(const int64_t&, Slot);
template void ValuePostings::Remove(const double&, Slot);
template void ValuePostings::Remove(const std::string&, Slot);
template void ValuePostings::Remove(const Timestamp&, Slot);

void ValuePostings::FindEqual(const FilterOperand& operand,
                              SlotSet& found) const {
  if (const auto* boolean = std::get_if<bool>(&operand)) {
    bools_[*boolean].AddTo(found);
  } else if (const auto* integer = std::get_if<int64_t>(&operand)) {
    FindIn(numbers_, NumberKey(*integer), found);
  } else if (const auto* number = std::get_if<double>(&operand)) {
    if (!std::isnan(*number)) FindIn(numbers_, NumberKey(*number), found);
  } else if (const auto* timestamp = std::get_if<Timestamp>(&operand)) {
    FindIn(timestamps_, *timestamp, found);
  } else if (const auto& text = std::get<std::string>(operand);
             text.size() <= kTextBytesMax) {
    FindIn(texts_, text, found);
  } else {
    FindIn(long_texts_, HashOf(text), found);
  }
}

void ValuePostings::FindOrdered(CompareOperator op,
                                const FilterOperand& operand,
                                SlotSet& found) const {
  if (const auto* integer = std::get_if<int64_t>(&operand)) {
    FindOrderedIn(numbers_, op, NumberKey(*integer), found);
  } else if (const auto* number = std::get_if<double>(&operand)) {
    if (std::isnan(*number)) return;
    FindOrderedIn(numbers_, op, NumberKey(*number), found);
  } else if (const auto* timestamp = std::get_if<Timestamp>(&operand)) {
    FindOrderedIn(timestamps_, op, *timestamp, found);
  } else if (const auto* text = std::get_if<std::string>(&operand)) {
    FindOrderedIn(texts_, op, *text, found);
  }
}

void ValuePostings::FindTexts(
    const std::function<bool(const std::string&)>& matches,
    SlotSet& found) const {
  PostingUnion postings;
  for (const auto& [text, list] : texts_) {
    if (matches(text)) postings.Add(list);
  }
  postings.AddTo(found);
}

size_t ValuePostings::memory_bytes() const {
  size_t bytes = MemoryOf(numbers_) + MemoryOf(texts_) + MemoryOf(timestamps_) +
                 MemoryOf(long_texts_) + bools_[0].memory_bytes() +
                 bools_[1].memory_bytes();
  for (const auto& [text, list] : texts_) bytes += text.capacity();
  return bytes;
}

}  // namespace diptych::storage
