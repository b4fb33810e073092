// KeywordIndex as bytes (docs/storage_format.md).
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/keyword/keyword_index.h"
#include "storage/keyword/keyword_index_tables.h"

namespace diptych::storage {
namespace {

// Of one piece: some milliseconds of work.
constexpr size_t kPieceSlots = 16'384;
constexpr size_t kPieceTerms = 2048;
constexpr size_t kPieceBytes = 1 << 20;

}  // namespace

void KeywordProperty::RemoveAll(const SlotSet& slots) {
  SlotSet gone = slots_;
  gone &= slots;
  gone.ForEach([this](Slot slot) {
    total_length_ -= lengths_.Get(slot);
    lengths_.Remove(slot);
  });
  slots_ -= gone;
  // Terms may have slots that were saved without their length.
  for (auto entry = postings_.begin(); entry != postings_.end();) {
    const auto postings = entry++;
    postings->second.RemoveAll(slots);
    if (postings->second.count() == 0) postings_.erase(postings);
  }
}

std::vector<std::string> KeywordProperty::Terms() const {
  std::vector<std::string> terms;
  terms.reserve(postings_.size());
  for (const auto& [term, postings] : postings_) terms.push_back(term);
  return terms;
}

void KeywordProperty::LoadLength(Slot slot, uint32_t length) {
  lengths_.Add(slot, length);
  slots_.Add(slot);
  total_length_ += length;
}

bool KeywordProperty::LoadTerm(std::string term, SectionReader& reader) {
  const auto [entry, added] = postings_.try_emplace(std::move(term));
  if (!added) return reader.Fail("a word is there twice");
  return entry->second.Load(reader);
}

void KeywordIndex::RemoveSlots(const SlotSet& slots) {
  absl::MutexLock lock(&tables_->mutex);
  for (auto entry = tables_->properties.begin();
       entry != tables_->properties.end();) {
    const auto property = entry++;
    property->second.RemoveAll(slots);
    if (property->second.slots().empty()) tables_->properties.erase(property);
  }
}

void KeywordIndex::Save(Slot end, SectionWriter& writer) const {
  std::vector<std::string> names;
  {
    absl::ReaderMutexLock lock(&tables_->mutex);
    for (const auto& [name, property] : tables_->properties) {
      names.push_back(name);
    }
  }
  writer.String(TextTermsVersion());
  writer.Varint(names.size());
  // A property that goes meanwhile has no words.
  static const KeywordProperty* const none = new KeywordProperty;
  for (const std::string& name : names) {
    writer.String(name);
    const auto locked = [&](const auto& visit) {
      absl::ReaderMutexLock lock(&tables_->mutex);
      const auto found = tables_->properties.find(name);
      visit(found == tables_->properties.end() ? *none : found->second);
    };
    std::vector<Slot> slots;
    std::vector<std::string> terms;
    locked([&](const KeywordProperty& property) {
      slots = property.slots().Before(end).ToVector();
      terms = property.Terms();
    });
    std::vector<std::pair<Slot, uint32_t>> lengths;
    for (size_t first = 0; first < slots.size(); first += kPieceSlots) {
      lengths.clear();
      locked([&](const KeywordProperty& property) {
        for (size_t i = first; i < slots.size() && i < first + kPieceSlots;
             ++i) {
          if (!property.slots().Contains(slots[i])) continue;
          lengths.emplace_back(slots[i], property.lengths().Get(slots[i]));
        }
      });
      for (const auto& [slot, length] : lengths) {
        writer.Varint(length);
        writer.Varint(slot);
      }
    }
    writer.Varint(0);
    std::vector<std::pair<const std::string*, std::string>> postings;
    for (size_t next = 0; next < terms.size();) {
      postings.clear();
      locked([&](const KeywordProperty& property) {
        size_t bytes = 0;
        for (size_t i = 0;
             i < kPieceTerms && bytes < kPieceBytes && next < terms.size();
             ++i, ++next) {
          const TermPostings* found = property.Find(terms[next]);
          std::string saved;
          if (found == nullptr || !found->Save(end, saved)) continue;
          bytes += saved.size();
          postings.emplace_back(&terms[next], std::move(saved));
        }
      });
      for (const auto& [term, saved] : postings) {
        writer.String(*term);
        writer.Bytes(saved.data(), saved.size());
      }
    }
    writer.String("");  // no word is empty
  }
}

absl::Status KeywordIndex::Load(SectionReader& reader) {
  absl::MutexLock lock(&tables_->mutex);
  std::string version;
  if (!reader.String(version)) return reader.status();
  if (version != TextTermsVersion()) {
    return absl::FailedPreconditionError(
        absl::StrCat("texts were cut into words by version ", version,
                     ", this server has ", TextTermsVersion()));
  }
  uint64_t count = 0;
  reader.Count(count, reader.remaining());
  for (uint64_t i = 0; i < count && reader.status().ok(); ++i) {
    std::string name;
    if (!reader.String(name)) break;
    KeywordProperty property;
    std::optional<Slot> last;
    while (true) {
      uint64_t length, slot;
      if (!reader.Count(length, 0xffffffff)) return reader.status();
      if (length == 0) break;
      if (!reader.Count(slot, 0xffffffff)) return reader.status();
      if (last.has_value() && slot <= *last) {
        reader.Fail("slots are out of order");
        return reader.status();
      }
      last = static_cast<Slot>(slot);
      property.LoadLength(*last, static_cast<uint32_t>(length));
    }
    while (true) {
      std::string term;
      if (!reader.String(term)) return reader.status();
      if (term.empty()) break;
      if (!property.LoadTerm(std::move(term), reader)) return reader.status();
    }
    if (!property.slots().empty()) {
      tables_->properties.insert_or_assign(std::move(name),
                                           std::move(property));
    }
  }
  return reader.Finish();
}

}  // namespace diptych::storage
