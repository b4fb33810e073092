// What keyword search knows of one property.
//
// Concurrency: a plain value; const methods may run at the same time.
// Limits: as KeywordIndex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "storage/index/slot_set.h"
#include "storage/keyword/slot_lengths.h"
#include "storage/keyword/term_postings.h"
#include "storage/keyword/text_terms.h"
#include "storage/section_file/section_reader.h"

namespace diptych::storage {

class KeywordProperty {
 public:
  void Add(Slot slot, const TermCounts& terms);
  // `terms` are those it was added with.
  void Remove(Slot slot, const TermCounts& terms);

  // Null: no text has the term.
  const TermPostings* Find(absl::string_view term) const;
  const SlotLengths& lengths() const { return lengths_; }
  // Those with a word.
  const SlotSet& slots() const { return slots_; }
  // Not when there is none.
  double average_length() const {
    return static_cast<double>(total_length_) /
           static_cast<double>(slots_.Count());
  }
  size_t memory_bytes() const;

  void RemoveAll(const SlotSet& slots);
  // As they stand.
  std::vector<std::string> Terms() const;
  // Into a property that lacks them. Slots and terms come one after the other,
  // slots in ascending order.
  void LoadLength(Slot slot, uint32_t length);
  bool LoadTerm(std::string term, SectionReader& reader);

 private:
  absl::flat_hash_map<std::string, TermPostings> postings_;
  SlotLengths lengths_;
  SlotSet slots_;
  uint64_t total_length_ = 0;
};

}  // namespace diptych::storage
