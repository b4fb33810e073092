// Turns a filter into the set of slots that match it.
//
// Operation: per property and value a list of slots, in order of the values
// (numbers: int64 and double in one order, compared exactly); per property the
// slots that hold a value, and points; and the id of every slot. It is derived
// from the records and lives in memory. Text of more than kIndexedTextBytesMax
// bytes is not held: such a value is known by a hash of 64 bits and by its
// slot, and where a filter turns on its content (equality with an operand of
// that length, order, substring, regular expression) the object is read through
// PropertyReader and decided by FilterEvaluator. So answers are always
// FilterEvaluator's.
// Concurrency: any thread may call any method; evaluations run beside each
// other and wait for Add and Remove.
// Limits: substring and regular expression look at every distinct value of the
// property, geo distance at every point; a listing by a property walks its
// values up to the end of the page, and reads all its long texts that match.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/filter/property_order.h"
#include "storage/index/slot_set.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

class PropertyIndex {
 public:
  static constexpr size_t kIndexedTextBytesMax = 256;

  // Reads the properties of a live slot, as they were added. Called during
  // Evaluate, from its thread; must not call this index.
  using PropertyReader = std::function<absl::StatusOr<Properties>(Slot slot)>;

  explicit PropertyIndex(PropertyReader reader);
  ~PropertyIndex();
  PropertyIndex(const PropertyIndex&) = delete;
  PropertyIndex& operator=(const PropertyIndex&) = delete;

  // ALREADY_EXISTS: the slot or the id is there. Nothing changes then.
  absl::Status Add(Slot slot, absl::string_view id,
                   const Properties& properties);

  // `properties` are those it was added with. NOT_FOUND: the slot is not there.
  absl::Status Remove(Slot slot, absl::string_view id,
                      const Properties& properties);

  // Whatever is here of these slots goes, although nobody knows any more what
  // they were added with. Looks at every value.
  void RemoveSlots(const SlotSet& slots);

  // Writes what is here of the slots below `end` into the current section, in
  // pieces, so that Add and Remove wait for a piece at most. What is removed
  // meanwhile may be left out in part: RemoveSlots makes that whole again.
  void Save(Slot end, SectionWriter& writer) const;
  // Into an index that is empty. DATA_LOSS: not what Save wrote; then the index
  // is not to be used.
  absl::Status Load(SectionReader& reader);

  // The slots whose objects match. The filter must have passed ValidateFilter,
  // which bounds its depth. INVALID_ARGUMENT: a regular expression or a NOT
  // that ValidateFilter refuses. Errors of the reader are passed on.
  absl::StatusOr<SlotSet> Evaluate(const Filter& filter) const;

  // Whether the slot is there, under this id.
  bool Contains(Slot slot, absl::string_view id) const;

  // Whether the id of `a` comes before that of `b`, bytewise. An id that is not
  // there comes first.
  bool IdBefore(Slot a, Slot b) const;

  // At most `limit` of the slots that match `filter` (null: all) in the order
  // of their ids, from the first id behind `after` (empty: the first of all).
  absl::StatusOr<std::vector<OrderedSlot>> List(const Filter* filter,
                                                absl::string_view after,
                                                size_t limit) const;
  // The same in the order of a property (property_order.h), from behind `after`
  // (absent: from the first).
  absl::StatusOr<std::vector<OrderedSlot>> List(
      const Filter* filter, const std::string& property, bool descending,
      const std::optional<OrderPosition>& after, size_t limit) const;

  // Every slot.
  SlotSet All() const;
  size_t size() const;
  // An estimate.
  size_t memory_bytes() const;

 private:
  class Tables;
  const PropertyReader reader_;
  const std::unique_ptr<Tables> tables_;
};

}  // namespace diptych::storage
