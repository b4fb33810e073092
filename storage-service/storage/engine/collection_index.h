// What finds the objects of one collection: its property index, its keyword
// index, and a vector index per space.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/concurrency/executor.h"
#include "storage/filter/property_index.h"
#include "storage/index/segmented_index.h"
#include "storage/index/vector_index.h"
#include "storage/index/vector_source.h"
#include "storage/keyword/keyword_index.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"
#include "storage/types/collection_spec.h"
#include "storage/types/filter.h"

namespace diptych::storage {

// A version of an object that goes into the index, or leaves it.
struct IndexedVector {
  uint8_t space = 0;
  absl::Span<const float> vector;  // not used when it leaves
};
struct IndexedObject {
  Slot slot = 0;
  absl::string_view id;
  const Properties* properties = nullptr;
  std::vector<IndexedVector> vectors;
};

// Operation: derived from the records alone; holds nothing that they lack.
// Concurrency: any thread may search; writes come one after the other (the
// write queue sees to that). Insert and Remove let searches go on; Replace
// shuts them out for the moment in which an object changes its slot, so that no
// search misses an object that is there before and after.
// Limits: as SegmentedIndex, PropertyIndex and KeywordIndex.
class CollectionIndex {
 public:
  // `executor` (for building graphs; may be null) must outlive the index.
  CollectionIndex(const std::vector<VectorSpace>& spaces,
                  PropertyIndex::PropertyReader reader, Executor* executor);

  absl::Status Insert(const IndexedObject& object);
  absl::Status Remove(const IndexedObject& object);
  absl::Status Replace(const IndexedObject& before, const IndexedObject& after);
  // Whatever is here of these slots, whose objects nobody can read any more.
  // Looks at everything.
  absl::Status RemoveSlots(const SlotSet& slots);

  // Nobody may use the index meanwhile.
  void Clear();

  // Every slot.
  SlotSet All() const;

  // Writes what is here of the slots `live`, all below `end`, as sections.
  // Writes wait for a small piece of it at most; what they remove meanwhile may
  // be there in part: RemoveSlots makes that whole.
  void Save(const SlotSet& live, Slot end, SectionWriter& writer) const;
  // Takes over what Save wrote, with several threads. `sources` makes where the
  // full vectors of a space are; slots that lack one there, in a space in which
  // they had one, are the result, and are in no index of that space. On an
  // error the index is empty, as it must be before. DATA_LOSS,
  // FAILED_PRECONDITION: not of this collection's settings.
  using VectorSources =
      std::function<std::unique_ptr<VectorSource>(uint8_t space)>;
  absl::StatusOr<SlotSet> Load(const SectionFile& file, const SlotSet& live,
                               const std::vector<uint32_t>& dimensions,
                               const VectorSources& sources);

  // The slots that match.
  absl::StatusOr<SlotSet> Evaluate(const Filter& filter) const;

  // As PropertyIndex::List.
  absl::StatusOr<std::vector<OrderedSlot>> List(const Filter* filter,
                                                absl::string_view after,
                                                size_t limit) const;
  absl::StatusOr<std::vector<OrderedSlot>> List(
      const Filter* filter, const std::string& property, bool descending,
      const std::optional<OrderPosition>& after, size_t limit) const;

  struct FoundSlots {
    std::vector<Neighbor> neighbors;
    // There may be more matches than were asked for.
    bool full = false;
  };
  // The nearest `options.k` slots of a space that match `filter`, if any is
  // given. `options.allowed` is not used.
  absl::StatusOr<FoundSlots> Search(uint8_t space,
                                    absl::Span<const float> query,
                                    SearchOptions options,
                                    const std::optional<Filter>& filter) const;

  // The best `k` slots that match `filter`, if any is given, best first, equal
  // scores by id.
  absl::StatusOr<std::vector<ScoredSlot>> SearchKeywords(
      const KeywordQuery& query, size_t k,
      const std::optional<Filter>& filter) const;
  size_t keyword_memory_bytes() const { return keywords_->memory_bytes(); }

  struct SpaceStatistics {
    size_t vectors = 0;
    size_t memory_bytes = 0;
    bool building = false;
  };
  SpaceStatistics Statistics(uint8_t space) const;
  // Rows of all spaces that graphs lead to.
  size_t graph_rows() const;

  // Builds what there is to build, in the calling thread.
  absl::Status Compact();

 private:
  SegmentedIndexOptions OptionsOf(uint8_t space, size_t dimension) const;
  absl::StatusOr<SegmentedIndex*> SpaceIndex(uint8_t space, size_t dimension);
  SegmentedIndex* SpaceIndex(uint8_t space) const;
  absl::Status InsertUnguarded(const IndexedObject& object,
                               const KeywordDocument& words);
  absl::Status RemoveUnguarded(const IndexedObject& object,
                               const KeywordDocument& words);

  const std::vector<VectorSpace> spaces_;
  const PropertyIndex::PropertyReader reader_;
  Executor* const executor_;
  // Shared by searches, exclusive while an object changes its slot.
  mutable absl::Mutex slots_mutex_;
  std::unique_ptr<PropertyIndex> properties_;
  std::unique_ptr<KeywordIndex> keywords_;
  // Null until the space has its first vector.
  mutable absl::Mutex indexes_mutex_ ABSL_ACQUIRED_AFTER(slots_mutex_);
  std::vector<std::unique_ptr<SegmentedIndex>> indexes_
      ABSL_GUARDED_BY(indexes_mutex_);
};

}  // namespace diptych::storage
