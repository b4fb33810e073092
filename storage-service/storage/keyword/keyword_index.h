// Ranks slots by the words of their texts.
//
// Operation: per text property (and list of texts) the postings of every term,
// the length of every text, and their sums, all exact at any time. Ranked is by
// BM25F, which for one property is BM25 (Robertson, Zaragoza and Taylor,
// "Simple BM25 Extension to Multiple Weighted Fields", CIKM 2004):
//
//   score(d) = sum over terms t of the query:  times(t) * idf(t) * f / (k1 + f)
//   f        = sum over properties p:
//                boost(p) * frequency(t, d, p)
//                  / (1 - b + b * length(d, p) / average_length(p))
//   idf(t)   = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5))
//
// with k1 = 1.2 and b = 0.75, as in Weaviate and Lucene; idf is Lucene's
// (BM25Similarity), which is never negative; times(t) is how often the query
// says t; N counts the objects with a word in any of the properties, n(t) those
// with t in any of them; the average is over the objects with a word in p. All
// count every object, whatever the filter.
// Concurrency: any thread may call any method; searches run beside each other
// and wait for Add and Remove.
// Limits: memory about 2 bytes per distinct term of a text, 4 bytes per text,
// and 150 to 200 bytes per distinct term.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "storage/index/slot_set.h"
#include "storage/keyword/text_terms.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

inline constexpr double kBm25K1 = 1.2;
inline constexpr double kBm25B = 0.75;

// The terms of an object's texts, by property. Making it is most of the work of
// adding an object, and needs no lock.
using KeywordDocument = std::vector<std::pair<std::string, TermCounts>>;
KeywordDocument KeywordDocumentOf(const Properties& properties);

struct KeywordQuery {
  TermCounts terms;  // AddQueryTerms
  // Unique names; empty: all properties.
  std::vector<std::string> properties;
  // Other than 1; finite and greater than 0. Names that are not searched are
  // passed over.
  absl::btree_map<std::string, double> boosts;
};

struct ScoredSlot {
  Slot slot = 0;
  double score = 0;
};

class KeywordIndex {
 public:
  // Whether the first slot's id is before the second's: decides between equal
  // scores. Called while the index is locked; must not call it.
  using IdOrder = std::function<bool(Slot, Slot)>;

  KeywordIndex();
  ~KeywordIndex();
  KeywordIndex(const KeywordIndex&) = delete;
  KeywordIndex& operator=(const KeywordIndex&) = delete;

  // The slot is not there yet.
  void Add(Slot slot, const KeywordDocument& document);
  // `document` is what it was added with.
  void Remove(Slot slot, const KeywordDocument& document);

  // As PropertyIndex's. FAILED_PRECONDITION: texts are cut into words in
  // another way than they were.
  void RemoveSlots(const SlotSet& slots);
  void Save(Slot end, SectionWriter& writer) const;
  absl::Status Load(SectionReader& reader);

  // The k best slots of `allowed` (null: of all), best first, equal scores by
  // id. Slots with none of the terms are no matches.
  std::vector<ScoredSlot> Search(const KeywordQuery& query, size_t k,
                                 const SlotSet* allowed,
                                 const IdOrder& before) const;

  // An estimate.
  size_t memory_bytes() const;

 private:
  class Tables;
  const std::unique_ptr<Tables> tables_;
};

}  // namespace diptych::storage
