// Operation of a LocalCollection: its index from the disk and onto it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/observability/logging.h"
#include "common/status/status_macros.h"
#include "storage/engine/change_log.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/store_vector_source.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {
namespace {

constexpr char kStateSection[] = "state";
// Trimmed in one transaction, so that writes wait a few milliseconds at most.
constexpr size_t kTrimmedAtOnce = 2048;

struct SnapshotState {
  uint64_t collection_id = 0;
  std::string collection_uid;
  uint64_t sequence = 0;
  uint64_t end_slot = 0;
  SlotSet live;
  SlotSet damaged;  // left out because they could not be read
};

void SaveState(const SnapshotState& state, SectionWriter& writer) {
  writer.BeginSection(kStateSection);
  writer.Number(state.collection_id);
  writer.String(state.collection_uid);
  writer.Number(state.sequence);
  writer.Varint(state.end_slot);
  writer.String(state.live.Serialize());
  writer.String(state.damaged.Serialize());
}

absl::StatusOr<SnapshotState> LoadState(const SectionFile& file) {
  DIPTYCH_ASSIGN_OR_RETURN(SectionReader reader, file.Section(kStateSection));
  SnapshotState state;
  std::string live, damaged;
  if (!reader.Number(state.collection_id) ||
      !reader.String(state.collection_uid) || !reader.Number(state.sequence) ||
      !reader.Count(state.end_slot, 0xffffffff) || !reader.String(live) ||
      !reader.String(damaged)) {
    return reader.status();
  }
  DIPTYCH_RETURN_IF_ERROR(reader.Finish());
  auto live_slots = SlotSet::Parse(live);
  auto damaged_slots = SlotSet::Parse(damaged);
  if (!live_slots.has_value() || !damaged_slots.has_value()) {
    return absl::DataLossError("a set of slots has not its form");
  }
  state.live = *std::move(live_slots);
  state.damaged = *std::move(damaged_slots);
  return state;
}

}  // namespace

void LocalCollection::KeepIndexSnapshotsIn(
    const std::filesystem::path& directory) {
  const IndexSnapshotOptions& options = environment_.index_snapshots;
  if (options.changes_min == 0) return;
  absl::MutexLock lock(&snapshot_mutex_);
  snapshots_.emplace(directory, options.files);
}

absl::Status LocalCollection::LoadIndex() {
  absl::MutexLock lock(&snapshot_mutex_);
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  covered_time_ = environment_.clock->Now();
  if (!snapshots_.has_value()) return IndexRecords(*read, 0);
  IndexSnapshotMetrics* const metrics = environment_.index_snapshot_metrics;
  const auto record = ReadIndexSnapshotRecord(*read);
  absl::Status status = record.status();
  if (record.ok() && record->has_value()) {
    status = LoadIndexSnapshot(*read, **record);
    if (status.ok()) covered_ = *record;
  }
  const absl::Status tidied =
      snapshots_->RemoveOthers(covered_.has_value() ? &covered_->id : nullptr);
  if (!tidied.ok()) {
    LogWarning("cannot remove an old index snapshot",
               {{"collection", static_cast<int64_t>(id_)}, {"status", tidied}});
  }
  if (covered_.has_value()) {
    covered_graph_rows_ = index_.graph_rows();
    if (metrics != nullptr) metrics->loaded.Increment();
    return absl::OkStatus();
  }
  // A copy of the records comes without its snapshot.
  const bool missing = status.ok() || absl::IsNotFound(status);
  if (metrics != nullptr) {
    (missing ? metrics->built : metrics->rejected).Increment();
  }
  if (!missing) {
    LogWarning(
        "the index snapshot is not to be trusted; the index is built from the "
        "records",
        {{"collection", static_cast<int64_t>(id_)}, {"status", status}});
  }
  index_.Clear();
  damaged_slots_ = SlotSet();
  covered_end_slot_ = 0;
  return IndexRecords(*read, 0);
}

absl::Status LocalCollection::LoadIndexSnapshot(
    ReadTransaction& read, const IndexSnapshotRecord& record) {
  DIPTYCH_ASSIGN_OR_RETURN(const auto file, snapshots_->Open(record.id));
  DIPTYCH_ASSIGN_OR_RETURN(const SnapshotState state, LoadState(*file));
  DIPTYCH_ASSIGN_OR_RETURN(const uint64_t sequence, ReadSequence(read));
  DIPTYCH_ASSIGN_OR_RETURN(const Counters counters, ReadCounters(read));
  const Collection collection = description();
  if (state.collection_id != id_ || state.collection_uid != collection.uid) {
    return absl::DataLossError("the index snapshot is of another collection");
  }
  if (state.sequence != record.sequence || state.sequence > sequence ||
      state.end_slot > counters.next_slot) {
    return absl::DataLossError(absl::StrCat(
        "the index snapshot is newer than the records: it covers change ",
        state.sequence, " and ends before slot ", state.end_slot,
        ", they end with change ", sequence, " and before slot ",
        counters.next_slot));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const SlotSet removed,
                           ReadRemovedSince(read, state.sequence));
  std::vector<uint32_t> dimensions;
  for (const VectorSpace& space : collection.spec.vector_spaces) {
    dimensions.push_back(space.dimension);
  }
  // Slots whose vectors cannot be read were removed since, or are damaged.
  DIPTYCH_ASSIGN_OR_RETURN(
      SlotSet gone,
      index_.Load(*file, state.live, dimensions, [&](uint8_t space) {
        return std::make_unique<StoreVectorSource>(store_.get(), space,
                                                   dimensions[space]);
      }));
  damaged_slots_ = state.damaged;
  damaged_slots_ |= gone;
  damaged_slots_ -= removed;
  gone |= removed;
  if (!gone.empty()) DIPTYCH_RETURN_IF_ERROR(index_.RemoveSlots(gone));
  SlotSet live = state.live;
  live -= gone;
  if (index_.All() != live) {
    return absl::DataLossError("the index snapshot lacks objects");
  }
  const uint64_t before = live.Count();
  DIPTYCH_RETURN_IF_ERROR(
      IndexRecords(read, static_cast<Slot>(state.end_slot)));
  const uint64_t after = index_.All().Count();
  if (after + damaged_slots_.Count() != counters.objects) {
    return absl::DataLossError(
        absl::StrCat("the index snapshot and the change log lead to ", after,
                     " objects, the records count ", counters.objects));
  }
  if (IndexSnapshotMetrics* metrics = environment_.index_snapshot_metrics) {
    metrics->replayed_objects.Increment(static_cast<double>(after - before));
  }
  covered_end_slot_ = static_cast<Slot>(state.end_slot);
  return absl::OkStatus();
}

absl::Status LocalCollection::WriteIndexSnapshot() {
  absl::MutexLock lock(&snapshot_mutex_);
  if (!snapshots_.has_value()) return absl::OkStatus();
  return WriteIndexSnapshotLocked();
}

absl::Status LocalCollection::WriteIndexSnapshotLocked() {
  {
    absl::MutexLock lock(&mutex_);
    if (!remove_when_unused_.empty()) return absl::OkStatus();
  }
  Clock& clock = *environment_.clock;
  const absl::Time start = clock.Now();
  const Collection collection = description();
  SnapshotState state;
  state.collection_id = id_;
  state.collection_uid = collection.uid;
  const size_t graph_rows = index_.graph_rows();
  const auto look = [&]() -> absl::Status {
    // Between two commits the index is what the records say.
    absl::ReaderMutexLock published(&published_);
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(state.sequence, ReadSequence(*read));
    DIPTYCH_ASSIGN_OR_RETURN(const Counters counters, ReadCounters(*read));
    state.end_slot = counters.next_slot;
    state.live = index_.All();
    for (const Slot slot : damaged_slots_.ToVector()) {
      DIPTYCH_ASSIGN_OR_RETURN(auto object,
                               read->Get(Table::kObjects, SlotKey(slot)));
      if (object.has_value()) state.damaged.Add(slot);
    }
    return absl::OkStatus();
  };
  const IndexSnapshotStore::Id id = IndexSnapshotStore::MakeId();
  uint64_t bytes = 0;
  const auto write = [&]() -> absl::Status {
    DIPTYCH_RETURN_IF_ERROR(look());
    DIPTYCH_ASSIGN_OR_RETURN(
        bytes, snapshots_->Write(id, [&](SectionWriter& writer) {
          SaveState(state, writer);
          index_.Save(state.live, static_cast<Slot>(state.end_slot), writer);
        }));
    return CoverChanges({state.sequence, id});
  };
  const absl::Status status = write();
  last_attempt_ = clock.Now();
  IndexSnapshotMetrics* const metrics = environment_.index_snapshot_metrics;
  if (!status.ok()) {
    failed_ = true;
    if (metrics != nullptr) metrics->failed.Increment();
    LogWarning("cannot write an index snapshot; the one before stays",
               {{"collection", static_cast<int64_t>(id_)}, {"status", status}});
    return status;
  }
  failed_ = false;
  covered_end_slot_ = static_cast<Slot>(state.end_slot);
  covered_graph_rows_ = graph_rows;
  covered_time_ = start;
  const double seconds = absl::ToDoubleSeconds(clock.Now() - start);
  if (metrics != nullptr) {
    metrics->written.Increment();
    metrics->seconds.Observe(seconds);
    metrics->bytes.Increment(static_cast<double>(bytes));
  }
  LogInfo("wrote an index snapshot",
          {{"collection", static_cast<int64_t>(id_)},
           {"sequence", static_cast<int64_t>(state.sequence)},
           {"objects", static_cast<int64_t>(state.live.Count())},
           {"bytes", static_cast<int64_t>(bytes)},
           {"seconds", seconds}});
  return absl::OkStatus();
}

absl::Status LocalCollection::KeepChangesBounded(
    WriteTransaction& transaction) const {
  if (environment_.index_snapshots.changes_min > 0) return absl::OkStatus();
  return ForgetChanges(transaction, kTrimmedAtOnce);
}

absl::Status LocalCollection::CoverChanges(const IndexSnapshotRecord& record) {
  bool trimmed = false;
  const auto trim = [&](WriteTransaction& transaction) -> absl::Status {
    DIPTYCH_ASSIGN_OR_RETURN(
        trimmed, TrimChanges(transaction, record.sequence, kTrimmedAtOnce));
    return absl::OkStatus();
  };
  const auto cover = [&](WriteTransaction& transaction) -> absl::Status {
    DIPTYCH_RETURN_IF_ERROR(WriteIndexSnapshotRecord(transaction, record));
    return trim(transaction);
  };
  if (absl::Status counted = store_->RunWrite(cover); !counted.ok()) {
    // Where the disk is full, the file's space is what writes need.
    snapshots_->RemoveOthers(covered_.has_value() ? &covered_->id : nullptr)
        .IgnoreError();
    return counted;
  }
  covered_ = record;
  // It counts now, whatever becomes of the rest, which is tried again with the
  // next one.
  absl::Status tidied = snapshots_->RemoveOthers(&record.id);
  while (!trimmed && tidied.ok()) tidied = store_->RunWrite(trim);
  if (!tidied.ok()) {
    LogWarning("cannot tidy behind an index snapshot",
               {{"collection", static_cast<int64_t>(id_)}, {"status", tidied}});
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LocalCollection::SnapshotIsDue(bool closing,
                                                    IndexSnapshotNeed& need) {
  const IndexSnapshotOptions& options = environment_.index_snapshots;
  uint64_t sequence = 0;
  Counters counters;
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(sequence, ReadSequence(*read));
    DIPTYCH_ASSIGN_OR_RETURN(counters, ReadCounters(*read));
  }
  const absl::Time now = environment_.clock->Now();
  // A request counts as one change, or as the slots that it gave out.
  need.changes = std::max<uint64_t>(
      sequence - (covered_.has_value() ? covered_->sequence : 0),
      counters.next_slot - covered_end_slot_);
  if (need.changes > 0) need.age = now - covered_time_;
  if (sequence != seen_sequence_) {
    seen_sequence_ = sequence;
    seen_time_ = now;
  }
  const size_t graph_rows = index_.graph_rows();
  const size_t new_rows = graph_rows > covered_graph_rows_
                              ? graph_rows - covered_graph_rows_
                              : covered_graph_rows_ - graph_rows;
  const bool worth_it =
      need.changes >= options.changes_min || new_rows >= options.changes_min;
  if (closing || !worth_it) return worth_it;
  if (failed_ && now - last_attempt_ < options.retry) return false;
  if (snapshot_wanted_.exchange(false)) return true;
  if (now - last_attempt_ < options.interval_min) return false;
  const auto changes_max = std::max<uint64_t>(
      options.changes_max,
      static_cast<uint64_t>(options.changes_share_max *
                            static_cast<double>(counters.objects)));
  return need.changes >= changes_max || now - seen_time_ >= options.idle;
}

LocalCollection::IndexSnapshotNeed LocalCollection::MaintainIndexSnapshot(
    bool closing) {
  IndexSnapshotNeed need;
  absl::MutexLock lock(&snapshot_mutex_);
  if (!snapshots_.has_value()) return need;
  const auto due = SnapshotIsDue(closing, need);
  // Whatever goes wrong is logged and counted, and tried again.
  if (due.value_or(false) && WriteIndexSnapshotLocked().ok()) need = {};
  return need;
}

}  // namespace diptych::storage
