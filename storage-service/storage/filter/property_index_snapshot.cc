// PropertyIndex as bytes (docs/storage_format.md).
#include <optional>
#include <utility>
#include <vector>

#include "common/status/status_macros.h"
#include "storage/filter/property_index.h"
#include "storage/filter/property_index_tables.h"

namespace diptych::storage {
namespace {

// Of one piece: some milliseconds of work.
constexpr size_t kPieceIds = 4096;
constexpr size_t kPiecePoints = 4096;

bool LoadSlots(SectionReader& reader, SlotSet& slots) {
  std::string bytes;
  if (!reader.String(bytes)) return false;
  auto parsed = SlotSet::Parse(bytes);
  if (!parsed.has_value()) {
    return reader.Fail("a set of slots has not its form");
  }
  slots = *std::move(parsed);
  return true;
}

bool LoadTable(SectionReader& reader, PropertyTable& table) {
  if (!LoadSlots(reader, table.present) || !LoadSlots(reader, table.ordered) ||
      !LoadSlots(reader, table.long_texts)) {
    return false;
  }
  for (ValuePostings* postings : {&table.scalars, &table.elements}) {
    for (bool more = true; more;) {
      if (!postings->LoadPiece(reader, more)) return false;
    }
  }
  while (true) {
    uint64_t count, slot;
    if (!reader.Count(count, kPiecePoints)) return false;
    if (count == 0) return true;
    for (uint64_t i = 0; i < count; ++i) {
      GeoPoint point;
      if (!reader.Count(slot, 0xffffffff) || !reader.Number(point.latitude) ||
          !reader.Number(point.longitude)) {
        return false;
      }
      table.points.try_emplace(table.points.end(), static_cast<Slot>(slot),
                               point);
    }
  }
}

}  // namespace

void PropertyIndex::Save(Slot end, SectionWriter& writer) const {
  // Ids in their order, then none.
  std::optional<std::string> last_id;
  std::vector<std::pair<std::string, Slot>> ids;
  do {
    ids.clear();
    {
      absl::ReaderMutexLock lock(&tables_->mutex);
      auto entry = last_id.has_value()
                       ? tables_->slot_of_id.upper_bound(*last_id)
                       : tables_->slot_of_id.begin();
      for (size_t i = 0; i < kPieceIds && entry != tables_->slot_of_id.end();
           ++i, ++entry) {
        ids.emplace_back(*entry);
      }
    }
    for (const auto& [id, slot] : ids) {
      if (slot >= end) continue;
      writer.String(id);
      writer.Varint(slot);
    }
    if (!ids.empty()) last_id = std::move(ids.back().first);
  } while (!ids.empty());
  writer.String("");

  std::vector<std::string> names;
  {
    absl::ReaderMutexLock lock(&tables_->mutex);
    for (const auto& [name, table] : tables_->properties) names.push_back(name);
  }
  writer.Varint(names.size());
  // A property that goes meanwhile has no slots.
  static const PropertyTable* const none = new PropertyTable;
  std::string bytes;
  for (const std::string& name : names) {
    writer.String(name);
    // Calls visit(table) while it is locked, then writes the bytes made.
    const auto piece = [&](const auto& visit) {
      bytes.clear();
      bool more;
      {
        absl::ReaderMutexLock lock(&tables_->mutex);
        const auto found = tables_->properties.find(name);
        more =
            visit(found == tables_->properties.end() ? *none : found->second);
      }
      writer.Bytes(bytes.data(), bytes.size());
      return more;
    };
    std::vector<SlotSet> sets;
    piece([&](const PropertyTable& table) {
      sets = {table.present, table.ordered, table.long_texts};
      return false;
    });
    for (const SlotSet& set : sets) writer.String(set.Before(end).Serialize());
    ValuePostings::SavePosition scalar, element;
    while (piece([&](const PropertyTable& table) {
      return table.scalars.SavePiece(end, scalar, bytes);
    })) {
    }
    while (piece([&](const PropertyTable& table) {
      return table.elements.SavePiece(end, element, bytes);
    })) {
    }
    std::vector<std::pair<Slot, GeoPoint>> points;
    Slot next = 0;
    do {
      points.clear();
      piece([&](const PropertyTable& table) {
        for (auto entry = table.points.lower_bound(next);
             entry != table.points.end() && entry->first < end &&
             points.size() < kPiecePoints;
             ++entry) {
          points.emplace_back(*entry);
        }
        return false;
      });
      writer.Varint(points.size());
      for (const auto& [slot, point] : points) {
        writer.Varint(slot);
        writer.Number(point.latitude);
        writer.Number(point.longitude);
        next = slot + 1;
      }
    } while (!points.empty());
  }
}

absl::Status PropertyIndex::Load(SectionReader& reader) {
  absl::MutexLock lock(&tables_->mutex);
  std::vector<Slot> slots;
  while (true) {
    std::string id;
    uint64_t slot;
    if (!reader.String(id)) return reader.status();
    if (id.empty()) break;
    if (!reader.Count(slot, 0xffffffff)) return reader.status();
    const auto entry = tables_->slot_of_id.emplace_hint(
        tables_->slot_of_id.end(), std::move(id), static_cast<Slot>(slot));
    slots.push_back(entry->second);
    tables_->id_of_slot[entry->second] = &entry->first;
  }
  tables_->all = SlotSet(slots);
  if (tables_->slot_of_id.size() != slots.size() ||
      tables_->id_of_slot.size() != slots.size()) {
    reader.Fail("an id or a slot is there twice");
  }
  uint64_t count = 0;
  reader.Count(count, reader.remaining());
  for (uint64_t i = 0; i < count && reader.status().ok(); ++i) {
    std::string name;
    if (!reader.String(name)) break;
    PropertyTable table;
    if (!LoadTable(reader, table)) break;
    if (!table.present.empty()) {
      tables_->properties.insert_or_assign(std::move(name), std::move(table));
    }
  }
  return reader.Finish();
}

void PropertyIndex::RemoveSlots(const SlotSet& slots) {
  absl::MutexLock lock(&tables_->mutex);
  slots.ForEach([this](Slot slot) {
    const auto id = tables_->id_of_slot.find(slot);
    if (id == tables_->id_of_slot.end()) return;
    tables_->slot_of_id.erase(*id->second);
    tables_->id_of_slot.erase(id);
  });
  tables_->all -= slots;
  for (auto entry = tables_->properties.begin();
       entry != tables_->properties.end();) {
    const auto table = entry++;
    table->second.RemoveAll(slots);
    if (table->second.present.empty()) tables_->properties.erase(table);
  }
}

}  // namespace diptych::storage
