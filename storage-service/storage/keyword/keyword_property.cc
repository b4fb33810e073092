#include "storage/keyword/keyword_property.h"

namespace diptych::storage {

void KeywordProperty::Add(Slot slot, const TermCounts& terms) {
  for (const auto& [term, frequency] : terms.frequencies) {
    postings_[term].Add(slot, frequency);
  }
  lengths_.Add(slot, terms.length);
  slots_.Add(slot);
  total_length_ += terms.length;
}

void KeywordProperty::Remove(Slot slot, const TermCounts& terms) {
  if (!slots_.Remove(slot)) return;
  for (const auto& [term, frequency] : terms.frequencies) {
    const auto found = postings_.find(term);
    if (found == postings_.end()) continue;
    found->second.Remove(slot);
    if (found->second.count() == 0) postings_.erase(found);
  }
  total_length_ -= lengths_.Get(slot);
  lengths_.Remove(slot);
}

const TermPostings* KeywordProperty::Find(absl::string_view term) const {
  const auto found = postings_.find(term);
  return found == postings_.end() ? nullptr : &found->second;
}

size_t KeywordProperty::memory_bytes() const {
  static const size_t kInline = std::string().capacity();
  size_t bytes =
      postings_.capacity() * (sizeof(std::string) + sizeof(TermPostings) + 1) +
      lengths_.memory_bytes() + slots_.memory_bytes();
  for (const auto& [term, postings] : postings_) {
    if (term.capacity() > kInline) bytes += term.capacity() + 1;
    bytes += postings.memory_bytes();
  }
  return bytes;
}

}  // namespace diptych::storage
