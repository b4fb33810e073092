// CollectionIndex as sections of a file (docs/storage_format.md).
#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/engine/collection_index.h"

namespace diptych::storage {
namespace {

constexpr char kPropertiesSection[] = "properties";
constexpr char kKeywordsSection[] = "keywords";

std::string SpaceSection(size_t space) { return absl::StrCat("space/", space); }

}  // namespace

absl::Status CollectionIndex::RemoveSlots(const SlotSet& slots) {
  absl::MutexLock lock(&slots_mutex_);
  keywords_->RemoveSlots(slots);
  properties_->RemoveSlots(slots);
  for (size_t space = 0; space < spaces_.size(); ++space) {
    SegmentedIndex* const index = SpaceIndex(static_cast<uint8_t>(space));
    if (index == nullptr) continue;
    for (const Slot slot : slots.ToVector()) {
      if (!index->Contains(slot)) continue;
      DIPTYCH_RETURN_IF_ERROR(index->Remove(slot));
    }
  }
  return absl::OkStatus();
}

SlotSet CollectionIndex::All() const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  return properties_->All();
}

size_t CollectionIndex::graph_rows() const {
  size_t rows = 0;
  for (size_t space = 0; space < spaces_.size(); ++space) {
    const SegmentedIndex* const index = SpaceIndex(static_cast<uint8_t>(space));
    if (index == nullptr) continue;
    for (const auto& segment : index->segments()) {
      if (segment.has_graph) rows += segment.rows;
    }
  }
  return rows;
}

void CollectionIndex::Save(const SlotSet& live, Slot end,
                           SectionWriter& writer) const {
  writer.BeginSection(kPropertiesSection);
  properties_->Save(end, writer);
  writer.BeginSection(kKeywordsSection);
  keywords_->Save(end, writer);
  for (size_t space = 0; space < spaces_.size(); ++space) {
    const SegmentedIndex* const index = SpaceIndex(static_cast<uint8_t>(space));
    if (index == nullptr) continue;
    writer.BeginSection(SpaceSection(space));
    index->Save(live, writer);
  }
}

absl::StatusOr<SlotSet> CollectionIndex::Load(
    const SectionFile& file, const SlotSet& live,
    const std::vector<uint32_t>& dimensions, const VectorSources& sources) {
  SlotSet missing;
  const auto load_part = [&file](const auto& name, const auto& load) {
    auto section = file.Section(name);
    return section.ok() ? load(*section) : section.status();
  };
  const auto load_spaces = [&]() -> absl::Status {
    const std::vector<std::string> names = file.section_names();
    for (size_t space = 0; space < spaces_.size(); ++space) {
      const std::string name = SpaceSection(space);
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      DIPTYCH_ASSIGN_OR_RETURN(SectionReader reader, file.Section(name));
      const auto number = static_cast<uint8_t>(space);
      const auto source = sources(number);
      DIPTYCH_ASSIGN_OR_RETURN(
          auto index,
          SegmentedIndex::Load(OptionsOf(number, dimensions[space]), executor_,
                               live, *source, reader, missing));
      absl::MutexLock lock(&indexes_mutex_);
      indexes_[space] = std::move(index);
    }
    return absl::OkStatus();
  };
  absl::Status words, spaces;
  std::thread load_words([&] {
    words = load_part(kKeywordsSection, [this](SectionReader& reader) {
      return keywords_->Load(reader);
    });
  });
  std::thread load_vectors([&] { spaces = load_spaces(); });
  absl::Status status = load_part(
      kPropertiesSection,
      [this](SectionReader& reader) { return properties_->Load(reader); });
  load_words.join();
  load_vectors.join();
  status.Update(words);
  status.Update(spaces);
  if (!status.ok()) {
    Clear();
    return status;
  }
  return missing;
}

}  // namespace diptych::storage
