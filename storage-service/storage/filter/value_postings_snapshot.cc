// ValuePostings as bytes (docs/storage_format.md).
#include <array>
#include <bit>
#include <utility>
#include <variant>

#include "storage/filter/value_postings.h"

namespace diptych::storage {
namespace {

// Of one piece: some milliseconds of work.
constexpr size_t kPieceEntries = 2048;
constexpr size_t kPieceBytes = 256 << 10;

// The kinds of entries; kEnd closes a piece, kLast all.
enum Entry : uint8_t {
  kEnd = 0,
  kLast = 1,
  kInteger = 2,
  kReal = 3,
  kText = 4,
  kTimestamp = 5,
  kLongText = 6,
  kFalse = 7,
  kTrue = 8,
};

template <typename T>
void AppendNumber(T value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendVarint(uint64_t value, std::string& bytes) {
  for (; value >= 0x80; value >>= 7) {
    bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  }
  bytes.push_back(static_cast<char>(value));
}

void AppendString(const std::string& value, std::string& bytes) {
  AppendVarint(value.size(), bytes);
  bytes.append(value);
}

void AppendKey(const NumberKey& key, std::string& bytes) {
  const FilterOperand value = key.operand();
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    bytes.push_back(kInteger);
    AppendNumber(*whole, bytes);
  } else {
    bytes.push_back(kReal);
    AppendNumber(std::get<double>(value), bytes);
  }
}
void AppendKey(const std::string& key, std::string& bytes) {
  bytes.push_back(kText);
  AppendString(key, bytes);
}
void AppendKey(Timestamp key, std::string& bytes) {
  bytes.push_back(kTimestamp);
  AppendNumber(key.unix_microseconds, bytes);
}
void AppendKey(uint64_t key, std::string& bytes) {
  bytes.push_back(kLongText);
  AppendNumber(key, bytes);
}

template <typename Table>
void RemoveAllFrom(Table& table, const SlotSet& slots) {
  for (auto entry = table.begin(); entry != table.end();) {
    entry->second.RemoveAll(slots);
    if (entry->second.empty()) {
      entry = table.erase(entry);
    } else {
      ++entry;
    }
  }
}

}  // namespace

void PostingList::RemoveAll(const SlotSet& slots) {
  if (many_ == nullptr) {
    if (count_ == 1 && slots.Contains(only_)) count_ = 0;
    return;
  }
  *many_ -= slots;
  count_ = many_->Count();
  if (count_ > 1) return;
  if (count_ == 1) only_ = many_->ToVector().front();
  many_.reset();
}

// The number of slots, then the slot, or Roaring's form of several.
bool PostingList::Save(Slot end, std::string& bytes) const {
  if (many_ == nullptr) {
    if (count_ == 0 || only_ >= end) return false;
    AppendVarint(1, bytes);
    AppendVarint(only_, bytes);
    return true;
  }
  const SlotSet slots = many_->Before(end);
  const size_t count = slots.Count();
  if (count == 0) return false;
  AppendVarint(count, bytes);
  if (count == 1) {
    AppendVarint(slots.ToVector().front(), bytes);
  } else {
    AppendString(slots.Serialize(), bytes);
  }
  return true;
}

bool PostingList::Load(SectionReader& reader) {
  uint64_t count, only;
  if (!reader.Count(count, uint64_t{1} << 32)) return false;
  count_ = count;
  if (count == 0) return reader.Fail("a value has no slots");
  if (count == 1) {
    if (!reader.Count(only, 0xffffffff)) return false;
    only_ = static_cast<Slot>(only);
    return true;
  }
  std::string bytes;
  if (!reader.String(bytes)) return false;
  auto slots = SlotSet::Parse(bytes);
  if (!slots.has_value() || slots->Count() != count) {
    return reader.Fail("a set of slots has not its form");
  }
  many_ = std::make_unique<SlotSet>(*std::move(slots));
  return true;
}

bool ValuePostings::SavePiece(Slot end, SavePosition& position,
                              std::string& bytes) const {
  size_t entries = 0;
  const auto full = [&] {
    return entries >= kPieceEntries || bytes.size() >= kPieceBytes;
  };
  // The entries of a table behind `last`, until the piece is full.
  const auto save = [&](const auto& table, auto& last) {
    auto entry = last.has_value() ? table.upper_bound(*last) : table.begin();
    for (; entry != table.end() && !full(); ++entry, ++entries) {
      const size_t before = bytes.size();
      AppendKey(entry->first, bytes);
      if (!entry->second.Save(end, bytes)) bytes.resize(before);
      last = entry->first;
    }
    if (entry == table.end()) ++position.table;
  };
  while (position.table < 5 && !full()) {
    switch (position.table) {
      case 0:
        save(numbers_, position.number);
        break;
      case 1:
        save(texts_, position.text);
        break;
      case 2:
        save(timestamps_, position.timestamp);
        break;
      case 3:
        save(long_texts_, position.hash);
        break;
      default:
        for (const bool value : {false, true}) {
          const size_t before = bytes.size();
          bytes.push_back(static_cast<char>(value ? kTrue : kFalse));
          if (!bools_[value].Save(end, bytes)) bytes.resize(before);
        }
        ++position.table;
    }
  }
  const bool more = position.table < 5;
  bytes.push_back(static_cast<char>(more ? kEnd : kLast));
  return more;
}

bool ValuePostings::LoadPiece(SectionReader& reader, bool& more) {
  // Entries come in order, so each belongs at the end.
  const auto load = [&reader](auto& table, auto key) {
    const size_t size = table.size();
    const auto entry = table.try_emplace(table.end(), std::move(key));
    if (table.size() == size) return reader.Fail("a value is there twice");
    return entry->second.Load(reader);
  };
  while (true) {
    uint8_t kind;
    int64_t integer;
    double real;
    std::string text;
    uint64_t hash;
    if (!reader.Number(kind)) return false;
    switch (kind) {
      case kEnd:
      case kLast:
        more = kind == kEnd;
        return true;
      case kInteger:
        if (!reader.Number(integer) || !load(numbers_, NumberKey(integer))) {
          return false;
        }
        break;
      case kReal:
        if (!reader.Number(real)) return false;
        if (real != real) return reader.Fail("a value is no number");
        if (!load(numbers_, NumberKey(real))) return false;
        break;
      case kText:
        if (!reader.String(text) || !load(texts_, std::move(text))) {
          return false;
        }
        break;
      case kTimestamp:
        if (!reader.Number(integer) || !load(timestamps_, Timestamp{integer})) {
          return false;
        }
        break;
      case kLongText:
        if (!reader.Number(hash) || !load(long_texts_, hash)) return false;
        break;
      case kFalse:
      case kTrue:
        if (!bools_[kind == kTrue].Load(reader)) return false;
        break;
      default:
        return reader.Fail("a value is of an unknown kind");
    }
  }
}

void ValuePostings::RemoveAll(const SlotSet& slots) {
  RemoveAllFrom(numbers_, slots);
  RemoveAllFrom(texts_, slots);
  RemoveAllFrom(timestamps_, slots);
  RemoveAllFrom(long_texts_, slots);
  bools_[0].RemoveAll(slots);
  bools_[1].RemoveAll(slots);
}

}  // namespace diptych::storage
