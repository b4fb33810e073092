// The index that a collection uses: exact for what is fresh, graphs for the
// rest.
//
// Operation: Add appends to a flat segment, which searches scan exactly. When
// it holds `flat_rows` rows it is sealed and a new one begins; a background
// task builds a graph over the sealed rows where they lie. Remove sets a bit. A
// segment with more than `dead_share_max` dead rows is rewritten without them,
// and `merge_factor` graph segments of about the same size become one, so there
// are few. Readers hold a reference-counted view of the list of segments:
// searching never waits for building.
//
// Each segment is searched by the cheaper of two plans. With n rows of which m
// may match and `ef` candidates to find,
//   scan  = m * scan_row
//   graph = visits_per_candidate * ef * (n / m) * graph_visit
// (the walk meets n/m rows for each that matches). A walk that has cost as much
// as the scan would, because matches lie far from the query, is given up for
// the scan: the cost is never more than twice that of the cheaper plan. The
// same happens when a walk ends short of min(k, m) results.
// Source of the form: measurements at 100,000 x 512, filters of 5 to 80 %: a
// filtered walk computes 8 to 11 * ef * n / m distances.
//
// Concurrency: any thread may call any method. Adds and removes wait for each
// other only; searches wait for nobody. At most one background task per index
// is scheduled or runs.
// Limits: as VectorIndex. Removed rows keep their memory until their segment is
// rewritten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/concurrency/executor.h"
#include "storage/index/vector_index.h"
#include "storage/index/vector_source.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"

namespace diptych::storage {

// In times of a row of a filtered scan.
struct SearchCosts {
  double scan_row = 1.0;
  // 0: DefaultGraphVisit.
  double graph_visit = 0.0;
  double visits_per_candidate = 10.0;
};

// A row of a walk takes longer, because it is known only when the walk gets
// there; the smaller the rows, the more of that is waiting. Measured at 512
// dimensions.
double DefaultGraphVisit(VectorPrecision precision);

struct SegmentedIndexOptions {
  VectorIndexOptions index;
  // Rows of a flat segment; 2 or more.
  size_t flat_rows = 20'000;
  // A segment is rewritten when more than this share of its rows is dead.
  double dead_share_max = 0.25;
  // Graph segments of about one size that become one; 2 or more.
  size_t merge_factor = 4;
  // No merge makes a larger segment.
  size_t segment_rows_max = size_t{1} << 20;
  SearchCosts costs;
  // Levels of graph nodes are drawn from this.
  uint64_t seed = 100;
};

class SegmentedIndex final : public VectorIndex {
 public:
  // INVALID_ARGUMENT: an option out of range. `executor` must outlive the
  // index; null: no background work, Compact does it all.
  static absl::StatusOr<std::unique_ptr<SegmentedIndex>> Create(
      const SegmentedIndexOptions& options, Executor* executor);
  // Does not wait: a running background task notices and drops its work.
  ~SegmentedIndex() override;

  absl::Status Add(Slot slot, absl::Span<const float> vector) override;
  absl::Status Remove(Slot slot) override;
  absl::StatusOr<std::vector<Neighbor>> Search(
      absl::Span<const float> query,
      const SearchOptions& options) const override;
  bool Contains(Slot slot) const override;
  size_t size() const override;
  size_t memory_bytes() const override;
  const VectorIndexOptions& options() const override;

  // Builds graphs over everything, in the calling thread, fresh rows included,
  // and drops all dead rows; then there is no background work left to do.
  // RESOURCE_EXHAUSTED: not enough memory; the index goes on as it was.
  absl::Status Compact();

  struct SegmentStatistics {
    size_t rows = 0;  // dead ones included
    size_t dead = 0;
    bool has_graph = false;
  };
  // Oldest first.
  std::vector<SegmentStatistics> segments() const;

  // Writes what is here of the slots `live` into the current section, without
  // keeping writes or searches waiting. Slots must be added once at most. What
  // is added or removed meanwhile may be left out or not: whoever loads it says
  // so again.
  void Save(const SlotSet& live, SectionWriter& writer) const;

  // The index that Save wrote, with `live` as it was given there. Slots whose
  // vectors `source` lacks, because they were removed since or are damaged, are
  // not in the index; they are added to `missing`. Errors as Create;
  // FAILED_PRECONDITION: it was saved with other options; DATA_LOSS: not what
  // Save wrote; those of `source`.
  static absl::StatusOr<std::unique_ptr<SegmentedIndex>> Load(
      const SegmentedIndexOptions& options, Executor* executor,
      const SlotSet& live, VectorSource& source, SectionReader& reader,
      SlotSet& missing);

 private:
  class State;
  explicit SegmentedIndex(std::shared_ptr<State> state)
      : state_(std::move(state)) {}

  // Shared with the background task, which may outlive the index.
  const std::shared_ptr<State> state_;
};

}  // namespace diptych::storage
