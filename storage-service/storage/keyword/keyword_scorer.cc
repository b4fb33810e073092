#include "storage/keyword/keyword_scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "storage/keyword/term_postings.h"

namespace diptych::storage {
namespace {

// Sums are rounded; a bound must not come out below what it bounds.
constexpr double kBoundSlack = 1 + 1e-9;
// Looking up an allowed slot costs as much as passing over so many postings.
constexpr size_t kPostingsPerLookup = 8;
constexpr uint64_t kNoSlot = std::numeric_limits<uint64_t>::max();

// One term of the query over the properties that have it.
class TermScorer {
 public:
  TermScorer(absl::Span<const BoostedProperty> properties,
             absl::string_view term, uint32_t times, size_t objects) {
    double most = 0;
    for (const BoostedProperty& searched : properties) {
      const TermPostings* postings = searched.property->Find(term);
      if (postings == nullptr) continue;
      fields_.push_back({TermPostings::Cursor(postings),
                         &searched.property->lengths(), searched.boost,
                         searched.property->average_length()});
      postings_ += postings->count();
      most += searched.boost * postings->frequency_max() / (1 - kBm25B);
    }
    if (fields_.empty()) return;
    const auto with = static_cast<double>(CountSlots());
    weight_ = times * std::log1p((static_cast<double>(objects) - with + 0.5) /
                                 (with + 0.5));
    bound_ = weight_ * most / (kBm25K1 + most) * kBoundSlack;
  }

  // In all properties together.
  size_t postings() const { return postings_; }
  // No slot gets more.
  double bound() const { return bound_; }

  // The next slot that has the term, or kNoSlot.
  uint64_t slot() const {
    uint64_t least = kNoSlot;
    for (const Field& field : fields_) {
      if (!field.cursor.done()) {
        least = std::min(least, uint64_t{field.cursor.slot()});
      }
    }
    return least;
  }
  void SeekTo(Slot slot) {
    for (Field& field : fields_) field.cursor.SeekTo(slot);
  }
  // To the first slot behind it.
  void Pass(Slot slot) {
    for (Field& field : fields_) {
      if (!field.cursor.done() && field.cursor.slot() == slot) {
        field.cursor.Next();
      }
    }
  }
  // What the slot, at which this stands or which it is not in, gets.
  double Score(Slot slot) const {
    double sum = 0;
    for (const Field& field : fields_) {
      if (field.cursor.done() || field.cursor.slot() != slot) continue;
      sum += field.boost * field.cursor.frequency() /
             (1 - kBm25B +
              kBm25B * field.lengths->Get(slot) / field.average_length);
    }
    return sum == 0 ? 0 : weight_ * sum / (kBm25K1 + sum);
  }

 private:
  struct Field {
    TermPostings::Cursor cursor;
    const SlotLengths* lengths;
    double boost;
    double average_length;
  };

  // With the term in any property.
  size_t CountSlots() const {
    if (fields_.size() == 1) return postings_;
    TermScorer walk = *this;
    size_t slots = 0;
    for (uint64_t at = walk.slot(); at != kNoSlot; at = walk.slot()) {
      walk.Pass(static_cast<Slot>(at));
      ++slots;
    }
    return slots;
  }

  std::vector<Field> fields_;
  size_t postings_ = 0;
  double weight_ = 0;
  double bound_ = 0;
};

// The k best of the slots offered: a heap with the worst of them on top.
class BestSlots {
 public:
  BestSlots(size_t k, const KeywordIndex::IdOrder& before)
      : k_(k), better_([&before](const ScoredSlot& a, const ScoredSlot& b) {
          return a.score != b.score ? a.score > b.score
                                    : before(a.slot, b.slot);
        }) {}

  // A slot of a lower score is not among the best.
  double score_min() const {
    return heap_.size() < k_ ? 0 : heap_.front().score;
  }
  void Offer(const ScoredSlot& slot) {
    if (heap_.size() == k_) {
      if (!better_(slot, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), better_);
      heap_.pop_back();
    }
    heap_.push_back(slot);
    std::push_heap(heap_.begin(), heap_.end(), better_);
  }
  std::vector<ScoredSlot> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), better_);
    return std::move(heap_);
  }

 private:
  const size_t k_;
  const std::function<bool(const ScoredSlot&, const ScoredSlot&)> better_;
  std::vector<ScoredSlot> heap_;
};

class Ranking {
 public:
  Ranking(std::vector<TermScorer> terms, size_t k,
          const KeywordIndex::IdOrder& before)
      : terms_(std::move(terms)), best_(k, before) {
    std::stable_sort(terms_.begin(), terms_.end(),
                     [](const TermScorer& a, const TermScorer& b) {
                       return a.bound() > b.bound();
                     });
    rest_bounds_.resize(terms_.size() + 1);
    for (size_t i = terms_.size(); i > 0; --i) {
      rest_bounds_[i - 1] = rest_bounds_[i] + terms_[i - 1].bound();
    }
    leading_ = terms_.size();
  }

  std::vector<ScoredSlot> RankAll(const SlotSet* allowed) {
    while (true) {
      uint64_t next = kNoSlot;
      for (size_t i = 0; i < leading_; ++i) {
        next = std::min(next, terms_[i].slot());
      }
      if (next == kNoSlot) return best_.Take();
      const Slot slot = static_cast<Slot>(next);
      if (allowed == nullptr || allowed->Contains(slot)) Consider(slot);
      for (size_t i = 0; i < leading_; ++i) terms_[i].Pass(slot);
      // What the last terms give together would not be enough.
      while (leading_ > 0 && rest_bounds_[leading_ - 1] < best_.score_min()) {
        --leading_;
      }
    }
  }

  std::vector<ScoredSlot> RankThese(const SlotSet& slots) {
    leading_ = 0;
    slots.ForEach([this](Slot slot) { Consider(slot); });
    return best_.Take();
  }

 private:
  // Adds up in the same order for every slot, so that equal texts have equal
  // scores.
  void Consider(Slot slot) {
    double score = 0;
    for (size_t i = 0; i < terms_.size(); ++i) {
      if (i >= leading_) {
        if (score + rest_bounds_[i] < best_.score_min()) return;
        terms_[i].SeekTo(slot);
      }
      score += terms_[i].Score(slot);
    }
    if (score > 0) best_.Offer({slot, score});
  }

  std::vector<TermScorer> terms_;  // greatest bound first
  std::vector<double> rest_bounds_;
  // So many terms bring slots; the others are looked up for these.
  size_t leading_ = 0;
  BestSlots best_;
};

}  // namespace

std::vector<ScoredSlot> RankByKeywords(
    absl::Span<const BoostedProperty> properties, const TermCounts& terms,
    size_t k, const SlotSet* allowed, const KeywordIndex::IdOrder& before) {
  SlotSet with_text;
  for (const BoostedProperty& searched : properties) {
    with_text |= searched.property->slots();
  }
  // In one order, whatever the tables' own.
  std::vector<std::pair<absl::string_view, uint32_t>> ordered(
      terms.frequencies.begin(), terms.frequencies.end());
  std::sort(ordered.begin(), ordered.end());
  std::vector<TermScorer> scorers;
  size_t postings = 0;
  for (const auto& [term, times] : ordered) {
    TermScorer scorer(properties, term, times, with_text.Count());
    if (scorer.postings() == 0) continue;
    postings += scorer.postings();
    scorers.push_back(std::move(scorer));
  }
  if (scorers.empty() || k == 0) return {};
  Ranking ranking(std::move(scorers), k, before);
  if (allowed != nullptr && allowed->Count() < postings / kPostingsPerLookup) {
    return ranking.RankThese(*allowed);
  }
  return ranking.RankAll(allowed);
}

}  // namespace diptych::storage
