// The ranking of KeywordIndex: its formula, and how the best slots are found
// without scoring all.
//
// Operation: document at a time over the postings of the query's terms. Where
// the k best are known so far, terms that could not lift a slot among them any
// more are looked up only for slots that another term brings (MaxScore: Turtle
// and Flood, "Query evaluation: strategies and optimizations", Information
// Processing & Management 31(6), 1995). Where few slots are allowed, these are
// looked up instead.
// Concurrency: pure function; the properties must not change meanwhile.
// Limits: 1 KiB of memory per term and property that has it.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "storage/index/slot_set.h"
#include "storage/keyword/keyword_index.h"
#include "storage/keyword/keyword_property.h"
#include "storage/keyword/text_terms.h"

namespace diptych::storage {

struct BoostedProperty {
  const KeywordProperty* property = nullptr;
  double boost = 1;
};

// As KeywordIndex::Search.
std::vector<ScoredSlot> RankByKeywords(
    absl::Span<const BoostedProperty> properties, const TermCounts& terms,
    size_t k, const SlotSet* allowed, const KeywordIndex::IdOrder& before);

}  // namespace diptych::storage
