#include "storage/engine/collection_index.h"

#include <utility>

#include "common/status/status_macros.h"

namespace diptych::storage {

CollectionIndex::CollectionIndex(const std::vector<VectorSpace>& spaces,
                                 PropertyIndex::PropertyReader reader,
                                 Executor* executor)
    : spaces_(spaces),
      reader_(std::move(reader)),
      executor_(executor),
      indexes_(spaces.size()) {
  Clear();
}

void CollectionIndex::Clear() {
  properties_ = std::make_unique<PropertyIndex>(reader_);
  keywords_ = std::make_unique<KeywordIndex>();
  absl::MutexLock lock(&indexes_mutex_);
  for (auto& index : indexes_) index.reset();
}

SegmentedIndexOptions CollectionIndex::OptionsOf(uint8_t space,
                                                 size_t dimension) const {
  SegmentedIndexOptions options;
  options.index.metric = spaces_[space].metric;
  options.index.dimension = static_cast<uint32_t>(dimension);
  options.index.hnsw = spaces_[space].hnsw;
  options.index.precision = spaces_[space].precision;
  return options;
}

SegmentedIndex* CollectionIndex::SpaceIndex(uint8_t space) const {
  absl::MutexLock lock(&indexes_mutex_);
  return indexes_[space].get();
}

absl::StatusOr<SegmentedIndex*> CollectionIndex::SpaceIndex(uint8_t space,
                                                            size_t dimension) {
  absl::MutexLock lock(&indexes_mutex_);
  if (indexes_[space] == nullptr) {
    DIPTYCH_ASSIGN_OR_RETURN(
        indexes_[space],
        SegmentedIndex::Create(OptionsOf(space, dimension), executor_));
  }
  return indexes_[space].get();
}

absl::Status CollectionIndex::InsertUnguarded(const IndexedObject& object,
                                              const KeywordDocument& words) {
  // Vectors first: a filter finds the object only once its vectors are there.
  for (const IndexedVector& vector : object.vectors) {
    DIPTYCH_ASSIGN_OR_RETURN(SegmentedIndex * index,
                             SpaceIndex(vector.space, vector.vector.size()));
    DIPTYCH_RETURN_IF_ERROR(index->Add(object.slot, vector.vector));
  }
  DIPTYCH_RETURN_IF_ERROR(
      properties_->Add(object.slot, object.id, *object.properties));
  // Last: what its words find has an id, which decides between equal scores.
  keywords_->Add(object.slot, words);
  return absl::OkStatus();
}

absl::Status CollectionIndex::RemoveUnguarded(const IndexedObject& object,
                                              const KeywordDocument& words) {
  // Left out when the index was built, because some of it was damaged.
  if (!properties_->Contains(object.slot, object.id)) return absl::OkStatus();
  keywords_->Remove(object.slot, words);
  DIPTYCH_RETURN_IF_ERROR(
      properties_->Remove(object.slot, object.id, *object.properties));
  for (const IndexedVector& vector : object.vectors) {
    SegmentedIndex* index = SpaceIndex(vector.space);
    if (index == nullptr) continue;
    DIPTYCH_RETURN_IF_ERROR(index->Remove(object.slot));
  }
  return absl::OkStatus();
}

absl::Status CollectionIndex::Insert(const IndexedObject& object) {
  return InsertUnguarded(object, KeywordDocumentOf(*object.properties));
}

absl::Status CollectionIndex::Remove(const IndexedObject& object) {
  return RemoveUnguarded(object, KeywordDocumentOf(*object.properties));
}

absl::Status CollectionIndex::Replace(const IndexedObject& before,
                                      const IndexedObject& after) {
  // Reading texts takes long; it keeps no search waiting.
  const KeywordDocument words_before = KeywordDocumentOf(*before.properties);
  const KeywordDocument words_after = KeywordDocumentOf(*after.properties);
  absl::MutexLock lock(&slots_mutex_);
  DIPTYCH_RETURN_IF_ERROR(RemoveUnguarded(before, words_before));
  return InsertUnguarded(after, words_after);
}

absl::StatusOr<SlotSet> CollectionIndex::Evaluate(const Filter& filter) const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  return properties_->Evaluate(filter);
}

absl::StatusOr<std::vector<OrderedSlot>> CollectionIndex::List(
    const Filter* filter, absl::string_view after, size_t limit) const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  return properties_->List(filter, after, limit);
}

absl::StatusOr<std::vector<OrderedSlot>> CollectionIndex::List(
    const Filter* filter, const std::string& property, bool descending,
    const std::optional<OrderPosition>& after, size_t limit) const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  return properties_->List(filter, property, descending, after, limit);
}

absl::StatusOr<CollectionIndex::FoundSlots> CollectionIndex::Search(
    uint8_t space, absl::Span<const float> query, SearchOptions options,
    const std::optional<Filter>& filter) const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  const SegmentedIndex* index = SpaceIndex(space);
  if (index == nullptr) return FoundSlots();
  SlotSet allowed;
  if (filter.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(allowed, properties_->Evaluate(*filter));
    options.allowed = &allowed;
  }
  FoundSlots found;
  DIPTYCH_ASSIGN_OR_RETURN(found.neighbors, index->Search(query, options));
  found.full = found.neighbors.size() >= options.k;
  return found;
}

absl::StatusOr<std::vector<ScoredSlot>> CollectionIndex::SearchKeywords(
    const KeywordQuery& query, size_t k,
    const std::optional<Filter>& filter) const {
  absl::ReaderMutexLock lock(&slots_mutex_);
  SlotSet allowed;
  if (filter.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(allowed, properties_->Evaluate(*filter));
  }
  return keywords_->Search(
      query, k, filter.has_value() ? &allowed : nullptr,
      [this](Slot a, Slot b) { return properties_->IdBefore(a, b); });
}

CollectionIndex::SpaceStatistics CollectionIndex::Statistics(
    uint8_t space) const {
  SpaceStatistics statistics;
  const SegmentedIndex* index = SpaceIndex(space);
  if (index == nullptr) return statistics;
  statistics.vectors = index->size();
  statistics.memory_bytes = index->memory_bytes();
  const auto segments = index->segments();
  // The newest segment takes fresh vectors and is scanned by design, until it
  // is full.
  const size_t full = SegmentedIndexOptions().flat_rows;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].has_graph) continue;
    if (i + 1 < segments.size() || segments[i].rows >= full) {
      statistics.building = true;
    }
  }
  return statistics;
}

absl::Status CollectionIndex::Compact() {
  for (size_t space = 0; space < spaces_.size(); ++space) {
    SegmentedIndex* index = SpaceIndex(static_cast<uint8_t>(space));
    if (index != nullptr) DIPTYCH_RETURN_IF_ERROR(index->Compact());
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
