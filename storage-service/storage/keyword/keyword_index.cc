#include "storage/keyword/keyword_index.h"

#include <variant>

#include "absl/synchronization/mutex.h"
#include "storage/keyword/keyword_index_tables.h"
#include "storage/keyword/keyword_scorer.h"

namespace diptych::storage {

KeywordDocument KeywordDocumentOf(const Properties& properties) {
  KeywordDocument document;
  for (const auto& [name, value] : properties) {
    TermCounts terms;
    if (const auto* text = std::get_if<std::string>(&value)) {
      AddTextTerms(*text, terms);
    } else if (const auto* texts =
                   std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& element : *texts) AddTextTerms(element, terms);
    }
    if (terms.length > 0) document.emplace_back(name, std::move(terms));
  }
  return document;
}

KeywordIndex::KeywordIndex() : tables_(std::make_unique<Tables>()) {}
KeywordIndex::~KeywordIndex() = default;

void KeywordIndex::Add(Slot slot, const KeywordDocument& document) {
  absl::MutexLock lock(&tables_->mutex);
  for (const auto& [property, terms] : document) {
    tables_->properties[property].Add(slot, terms);
  }
}

void KeywordIndex::Remove(Slot slot, const KeywordDocument& document) {
  absl::MutexLock lock(&tables_->mutex);
  for (const auto& [property, terms] : document) {
    const auto found = tables_->properties.find(property);
    if (found == tables_->properties.end()) continue;
    found->second.Remove(slot, terms);
    if (found->second.slots().empty()) tables_->properties.erase(found);
  }
}

std::vector<ScoredSlot> KeywordIndex::Search(const KeywordQuery& query,
                                             size_t k, const SlotSet* allowed,
                                             const IdOrder& before) const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  std::vector<BoostedProperty> searched;
  const auto add = [&](const std::string& name,
                       const KeywordProperty& property) {
    const auto boost = query.boosts.find(name);
    searched.push_back(
        {&property, boost == query.boosts.end() ? 1 : boost->second});
  };
  if (query.properties.empty()) {
    for (const auto& [name, property] : tables_->properties) {
      add(name, property);
    }
  }
  for (const std::string& name : query.properties) {
    const auto found = tables_->properties.find(name);
    if (found != tables_->properties.end()) add(name, found->second);
  }
  return RankByKeywords(searched, query.terms, k, allowed, before);
}

size_t KeywordIndex::memory_bytes() const {
  absl::ReaderMutexLock lock(&tables_->mutex);
  size_t bytes = 0;
  for (const auto& [name, property] : tables_->properties) {
    bytes += name.capacity() + sizeof(property) + property.memory_bytes();
  }
  return bytes;
}

}  // namespace diptych::storage
