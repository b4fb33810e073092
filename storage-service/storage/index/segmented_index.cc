#include "storage/index/segmented_index.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/index/segment.h"
#include "storage/index/segment_maintenance.h"
#include "storage/index/segment_snapshot.h"

namespace diptych::storage {

double DefaultGraphVisit(VectorPrecision precision) {
  switch (precision) {
    case VectorPrecision::kFloat32:
      return 1.4;
    case VectorPrecision::kBfloat16:
      return 1.6;
    case VectorPrecision::kInt8:
      break;
  }
  return 2.5;
}

namespace {

// What the largest graph finds is likely near enough to spare the others work.
std::vector<const Segment*> LargestGraphsFirst(const Segments& segments) {
  std::vector<const Segment*> order;
  order.reserve(segments.size());
  for (const Segment& segment : segments) order.push_back(&segment);
  const auto rows = [](const Segment* segment) {
    return segment->graph == nullptr ? 0 : segment->live();
  };
  std::stable_sort(order.begin(), order.end(),
                   [&rows](const Segment* a, const Segment* b) {
                     return rows(a) > rows(b);
                   });
  return order;
}

}  // namespace

// Order of locks: maintenance_mutex_, write_mutex_, view_mutex_.
class SegmentedIndex::State : public std::enable_shared_from_this<State> {
 public:
  State(const SegmentedIndexOptions& options, Executor* executor)
      : options_(options),
        executor_(executor),
        distance_(options.index.metric, options.index.dimension,
                  options.index.precision) {}

  const VectorIndexOptions& index_options() const { return options_.index; }
  void Stop() {
    absl::MutexLock lock(&write_mutex_);
    stopping_ = true;
    executor_ = nullptr;  // may go now
  }

  absl::Status Add(Slot slot, absl::Span<const float> vector);
  absl::Status Remove(Slot slot);
  absl::StatusOr<std::vector<Neighbor>> Search(
      absl::Span<const float> query, const SearchOptions& options) const;
  bool Contains(Slot slot) const {
    absl::ReaderMutexLock lock(&write_mutex_);
    return live_slots_.Contains(slot);
  }
  size_t size() const {
    absl::ReaderMutexLock lock(&write_mutex_);
    return live_slots_.Count();
  }
  size_t memory_bytes() const;
  absl::Status Compact();
  std::vector<SegmentStatistics> segments() const;

  // segment_snapshot.h
  const SegmentedIndexOptions& all_options() const { return options_; }
  const DistanceFunction& distance() const { return distance_; }
  std::shared_ptr<const Segments> CurrentSegments() const { return view(); }
  absl::Status Adopt(LoadedSegments loaded);

 private:
  using View = std::shared_ptr<const Segments>;
  using NextJob = MaintenanceJob (*)(const Segments&,
                                     const SegmentedIndexOptions&);
  // Where a row of a rewritten segment comes from.
  struct Source {
    VectorRows* rows;
    size_t row;
  };

  View view() const {
    absl::ReaderMutexLock lock(&view_mutex_);
    return view_;
  }
  void SetView(Segments segments) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void AddRow(Slot slot, const std::byte* row)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // Ends the growing segment, if there is one.
  void Seal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void ScheduleMaintenance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  // The background task: one job, then the next task.
  void RunMaintenanceTask();
  // Does the job that `next` picks; false: there was none.
  absl::StatusOr<bool> RunJob(NextJob next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(maintenance_mutex_);
  absl::StatusOr<Segment> MakeSegment(const Segments& segments,
                                      const MaintenanceJob& job,
                                      std::vector<Source>* sources) const;
  void Replace(const Segments& old, const MaintenanceJob& job,
               std::optional<Segment> made, const std::vector<Source>& sources);

  const SegmentedIndexOptions options_;
  Executor* executor_ ABSL_GUARDED_BY(write_mutex_);
  const DistanceFunction distance_;
  std::atomic<bool> stopping_{false};

  // Held while a segment is built, so that jobs follow one another.
  absl::Mutex maintenance_mutex_ ABSL_ACQUIRED_BEFORE(write_mutex_);

  mutable absl::Mutex write_mutex_ ABSL_ACQUIRED_BEFORE(view_mutex_);
  SlotSet live_slots_ ABSL_GUARDED_BY(write_mutex_);
  // The last segment while it grows, else null; and its rows by slot.
  std::shared_ptr<VectorRows> growing_ ABSL_GUARDED_BY(write_mutex_);
  absl::flat_hash_map<Slot, size_t> growing_row_of_slot_
      ABSL_GUARDED_BY(write_mutex_);
  bool maintenance_scheduled_ ABSL_GUARDED_BY(write_mutex_) = false;

  // The view and the number of rows in its growing segment change together, so
  // that no search sees a slot both before and after it moved.
  mutable absl::Mutex view_mutex_;
  View view_ ABSL_GUARDED_BY(view_mutex_) = std::make_shared<const Segments>();
};

absl::Status SegmentedIndex::State::Add(Slot slot,
                                        absl::Span<const float> vector) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<float> prepared,
      PrepareVector(options_.index.metric, options_.index.dimension, vector));
  std::vector<std::byte> row(distance_.encoding().row_bytes());
  distance_.encoding().Encode(prepared.data(), row.data());
  absl::MutexLock lock(&write_mutex_);
  if (live_slots_.Contains(slot)) return SlotExists(slot);
  AddRow(slot, row.data());
  return absl::OkStatus();
}

void SegmentedIndex::State::AddRow(Slot slot, const std::byte* row) {
  if (growing_ == nullptr) {
    growing_ = std::make_shared<VectorRows>(distance_.encoding().row_bytes(),
                                            options_.flat_rows);
    Segments segments = *view();
    segments.push_back({growing_, nullptr, nullptr});
    SetView(std::move(segments));
  }
  growing_row_of_slot_[slot] = growing_->count();
  live_slots_.Add(slot);
  {
    absl::MutexLock view_lock(&view_mutex_);
    growing_->Append(slot, row);
  }
  if (growing_->count() == growing_->capacity()) {
    Seal();
    ScheduleMaintenance();
  }
}

absl::Status SegmentedIndex::State::Adopt(LoadedSegments loaded) {
  absl::MutexLock lock(&write_mutex_);
  for (const Segment& segment : loaded.built) {
    std::vector<Slot> slots;
    for (size_t row = 0; row < segment.rows->count(); ++row) {
      if (!segment.rows->IsDead(row)) slots.push_back(segment.rows->slot(row));
    }
    live_slots_.AddAll(slots);
  }
  SetView(std::move(loaded.built));
  for (const VectorRows* fresh : loaded.FreshRows()) {
    for (size_t row = 0; row < fresh->count(); ++row) {
      if (fresh->IsDead(row)) continue;
      if (live_slots_.Contains(fresh->slot(row))) {
        return absl::DataLossError("two rows of an index are of one slot");
      }
      AddRow(fresh->slot(row), fresh->row(row));
    }
  }
  ScheduleMaintenance();
  return absl::OkStatus();
}

absl::Status SegmentedIndex::State::Remove(Slot slot) {
  absl::MutexLock lock(&write_mutex_);
  if (!live_slots_.Remove(slot)) return SlotNotFound(slot);
  if (const auto found = growing_row_of_slot_.find(slot);
      found != growing_row_of_slot_.end() &&
      growing_->MarkDead(found->second)) {
    growing_row_of_slot_.erase(found);
    return absl::OkStatus();
  }
  const View segments = view();
  for (auto segment = segments->rbegin(); segment != segments->rend();
       ++segment) {
    if (!segment->sealed()) continue;
    const std::optional<size_t> row = segment->directory->Find(slot);
    if (!row.has_value()) continue;
    const bool was_full_enough =
        segment->dead_share() <= options_.dead_share_max;
    if (!segment->rows->MarkDead(*row)) continue;
    if (segment->live() == 0 ||
        (was_full_enough && segment->dead_share() > options_.dead_share_max)) {
      ScheduleMaintenance();
    }
    break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Neighbor>> SegmentedIndex::State::Search(
    absl::Span<const float> query, const SearchOptions& options) const {
  if (options.k == 0) return InvalidField("k", "is 0; give 1 or more");
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<float> prepared,
      PrepareVector(options_.index.metric, options_.index.dimension, query));
  std::vector<std::byte> row(distance_.encoding().row_bytes());
  distance_.encoding().Encode(prepared.data(), row.data());
  View segments;
  size_t growing_count = 0;
  {
    absl::ReaderMutexLock lock(&view_mutex_);
    segments = view_;
    if (!segments->empty()) growing_count = segments->back().rows->count();
  }
  SegmentQuery segment_query;
  segment_query.row = row.data();
  segment_query.ef = std::max(
      options.k, options.ef > 0 ? options.ef : options_.index.hnsw.ef_search);
  segment_query.options = &options;
  segment_query.distance = &distance_;
  segment_query.costs = &options_.costs;
  const bool possible_wanted = options.exact && distance_.encoding().compact();
  NearestNeighbors nearest(options.k);
  PossibleNeighbors possible(options.k);
  SearchStatistics statistics;
  SearchReach reach(segment_query.ef);
  // Under a filter the few matches of a short walk do not lead it anywhere.
  if (options.allowed == nullptr) segment_query.reach = &reach;
  for (const Segment* segment : LargestGraphsFirst(*segments)) {
    const size_t count =
        segment->sealed() ? segment->rows->count() : growing_count;
    if (possible_wanted) {
      ScanSegment(*segment, count, segment_query, possible, statistics);
    } else {
      SearchSegment(*segment, count, segment_query, nearest, statistics);
    }
  }
  if (options.statistics != nullptr) {
    options.statistics->rows_scanned += statistics.rows_scanned;
    options.statistics->graph_visits += statistics.graph_visits;
    options.statistics->graph_searches += statistics.graph_searches;
    options.statistics->graph_fallbacks += statistics.graph_fallbacks;
  }
  return possible_wanted ? std::move(possible).Take(options.distance_max)
                         : std::move(nearest).Take(options.distance_max);
}

size_t SegmentedIndex::State::memory_bytes() const {
  // Held while it is read: a write may replace it meanwhile.
  const View held = view();
  size_t bytes = 0;
  for (const Segment& segment : *held) bytes += segment.memory_bytes();
  absl::ReaderMutexLock lock(&write_mutex_);
  return bytes + live_slots_.memory_bytes() +
         growing_row_of_slot_.capacity() * (sizeof(Slot) + sizeof(size_t) + 5);
}

std::vector<SegmentedIndex::SegmentStatistics> SegmentedIndex::State::segments()
    const {
  const View held = view();
  std::vector<SegmentStatistics> all;
  for (const Segment& segment : *held) {
    all.push_back({segment.rows->count(), segment.rows->dead_count(),
                   segment.graph != nullptr});
  }
  return all;
}

void SegmentedIndex::State::SetView(Segments segments) {
  auto view = std::make_shared<const Segments>(std::move(segments));
  absl::MutexLock lock(&view_mutex_);
  view_.swap(view);
}

void SegmentedIndex::State::Seal() {
  if (growing_ == nullptr) return;
  Segments segments = *view();
  segments.back().directory = std::make_shared<const SlotDirectory>(*growing_);
  SetView(std::move(segments));
  growing_.reset();
  growing_row_of_slot_.clear();
}

void SegmentedIndex::State::ScheduleMaintenance() {
  if (executor_ == nullptr || maintenance_scheduled_) return;
  maintenance_scheduled_ = executor_->TrySchedule(
      [state = shared_from_this()] { state->RunMaintenanceTask(); });
}

void SegmentedIndex::State::RunMaintenanceTask() {
  bool more = false;
  {
    absl::MutexLock lock(&maintenance_mutex_);
    // A failed job is tried again when the next segment is sealed or decays.
    more = RunJob(&NextMaintenanceJob).value_or(false);
  }
  absl::MutexLock lock(&write_mutex_);
  maintenance_scheduled_ = false;
  if (more) ScheduleMaintenance();
}

absl::Status SegmentedIndex::State::Compact() {
  absl::MutexLock lock(&maintenance_mutex_);
  {
    absl::MutexLock write_lock(&write_mutex_);
    Seal();
  }
  while (true) {
    DIPTYCH_ASSIGN_OR_RETURN(const bool more, RunJob(&NextCompactionJob));
    if (!more) return absl::OkStatus();
  }
}

absl::StatusOr<bool> SegmentedIndex::State::RunJob(NextJob next) {
  if (stopping_) return absl::CancelledError("the index was closed");
  const View segments = view();
  const MaintenanceJob job = next(*segments, options_);
  if (job.inputs.empty()) return false;
  std::vector<Source> sources;
  std::optional<Segment> made;
  DIPTYCH_ASSIGN_OR_RETURN(Segment segment,
                           MakeSegment(*segments, job, &sources));
  if (segment.rows->count() > 0) made = std::move(segment);
  Replace(*segments, job, std::move(made), sources);
  return true;
}

absl::StatusOr<Segment> SegmentedIndex::State::MakeSegment(
    const Segments& segments, const MaintenanceJob& job,
    std::vector<Source>* sources) const {
  Segment made;
  if (!job.rewrite) {
    made = segments[job.inputs.front()];
  } else {
    for (const size_t input : job.inputs) {
      const VectorRows& rows = *segments[input].rows;
      for (size_t row = 0; row < rows.count(); ++row) {
        if (!rows.IsDead(row)) {
          sources->push_back({segments[input].rows.get(), row});
        }
      }
    }
    made.rows = std::make_shared<VectorRows>(distance_.encoding().row_bytes(),
                                             sources->size());
    for (const Source& source : *sources) {
      made.rows->Append(source.rows->slot(source.row),
                        source.rows->row(source.row));
    }
    made.directory = std::make_shared<const SlotDirectory>(*made.rows);
  }
  if (made.rows->count() == 0) return made;
  DIPTYCH_ASSIGN_OR_RETURN(
      made.graph, HnswGraph::Build(made.rows, distance_, options_.index.hnsw,
                                   options_.seed, stopping_));
  return made;
}

void SegmentedIndex::State::Replace(const Segments& old,
                                    const MaintenanceJob& job,
                                    std::optional<Segment> made,
                                    const std::vector<Source>& sources) {
  absl::MutexLock lock(&write_mutex_);
  // What was removed while the segment was built. Nothing can be removed from
  // the inputs after this, because removing takes the same lock.
  for (size_t row = 0; row < sources.size(); ++row) {
    if (sources[row].rows->IsDead(sources[row].row)) made->rows->MarkDead(row);
  }
  std::vector<const VectorRows*> inputs;
  for (const size_t input : job.inputs) inputs.push_back(old[input].rows.get());
  const View held = view();
  Segments segments;
  for (const Segment& segment : *held) {
    if (std::find(inputs.begin(), inputs.end(), segment.rows.get()) ==
        inputs.end()) {
      segments.push_back(segment);
    } else if (made.has_value()) {
      segments.push_back(*std::move(made));
      made.reset();
    }
  }
  SetView(std::move(segments));
}

absl::StatusOr<std::unique_ptr<SegmentedIndex>> SegmentedIndex::Create(
    const SegmentedIndexOptions& options, Executor* executor) {
  DIPTYCH_RETURN_IF_ERROR(ValidateVectorIndexOptions(options.index));
  FieldViolations violations;
  if (options.flat_rows < 2 || options.flat_rows > options.segment_rows_max) {
    violations.Add("flat_rows", absl::StrCat("must be 2 to segment_rows_max (",
                                             options.segment_rows_max,
                                             "), not ", options.flat_rows));
  }
  if (!(options.dead_share_max >= 0 && options.dead_share_max <= 1)) {
    violations.Add("dead_share_max", absl::StrCat("must be 0 to 1, not ",
                                                  options.dead_share_max));
  }
  if (options.merge_factor < 2) {
    violations.Add("merge_factor", absl::StrCat("must be 2 or more, not ",
                                                options.merge_factor));
  }
  const SearchCosts& costs = options.costs;
  if (!(costs.scan_row > 0 && costs.graph_visit >= 0 &&
        costs.visits_per_candidate > 0)) {
    violations.Add("costs",
                   "scan_row and visits_per_candidate must be greater than 0, "
                   "graph_visit 0 or more");
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  SegmentedIndexOptions completed = options;
  if (costs.graph_visit == 0) {
    completed.costs.graph_visit = DefaultGraphVisit(options.index.precision);
  }
  return absl::WrapUnique(
      new SegmentedIndex(std::make_shared<State>(completed, executor)));
}

SegmentedIndex::~SegmentedIndex() { state_->Stop(); }

absl::Status SegmentedIndex::Add(Slot slot, absl::Span<const float> vector) {
  return state_->Add(slot, vector);
}

absl::Status SegmentedIndex::Remove(Slot slot) { return state_->Remove(slot); }

absl::StatusOr<std::vector<Neighbor>> SegmentedIndex::Search(
    absl::Span<const float> query, const SearchOptions& options) const {
  return state_->Search(query, options);
}

bool SegmentedIndex::Contains(Slot slot) const {
  return state_->Contains(slot);
}

size_t SegmentedIndex::size() const { return state_->size(); }

size_t SegmentedIndex::memory_bytes() const { return state_->memory_bytes(); }

const VectorIndexOptions& SegmentedIndex::options() const {
  return state_->index_options();
}

absl::Status SegmentedIndex::Compact() { return state_->Compact(); }

std::vector<SegmentedIndex::SegmentStatistics> SegmentedIndex::segments()
    const {
  return state_->segments();
}

void SegmentedIndex::Save(const SlotSet& live, SectionWriter& writer) const {
  SaveSegments(state_->all_options().index, state_->distance().encoding(),
               *state_->CurrentSegments(), live, writer);
}

absl::StatusOr<std::unique_ptr<SegmentedIndex>> SegmentedIndex::Load(
    const SegmentedIndexOptions& options, Executor* executor,
    const SlotSet& live, VectorSource& source, SectionReader& reader,
    SlotSet& missing) {
  DIPTYCH_ASSIGN_OR_RETURN(auto index, Create(options, executor));
  DIPTYCH_ASSIGN_OR_RETURN(
      LoadedSegments loaded,
      LoadSegments(options.index, index->state_->distance(), live, source,
                   reader));
  missing |= loaded.missing;
  DIPTYCH_RETURN_IF_ERROR(index->state_->Adopt(std::move(loaded)));
  return index;
}

}  // namespace diptych::storage
