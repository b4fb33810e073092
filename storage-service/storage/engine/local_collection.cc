#include "storage/engine/local_collection.h"

#include <system_error>
#include <utility>

#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {

LocalCollection::LocalCollection(const Collection& collection,
                                 std::unique_ptr<RecordStore> store,
                                 const CollectionEnvironment* environment)
    : id_(collection.id),
      environment_(*environment),
      description_(std::make_shared<const Collection>(collection)),
      store_(std::move(store)),
      index_(
          collection.spec.vector_spaces,
          [this](Slot slot) { return ReadProperties(slot); },
          environment->executor),
      queue_(store_.get(), &published_, environment->clock,
             environment->write_queue) {}

LocalCollection::~LocalCollection() {
  absl::MutexLock lock(&mutex_);
  if (remove_when_unused_.empty()) return;
  store_.reset();
  // What cannot be removed now is an orphan, which the next start removes.
  std::error_code ignored;
  std::filesystem::remove_all(remove_when_unused_, ignored);
}

void LocalCollection::RemoveWhenUnused(std::filesystem::path directory) {
  absl::MutexLock lock(&mutex_);
  remove_when_unused_ = std::move(directory);
}

absl::StatusOr<std::shared_ptr<LocalCollection>> LocalCollection::Open(
    const Collection& collection, std::unique_ptr<RecordStore> store,
    const std::filesystem::path& directory,
    const CollectionEnvironment* environment) {
  std::shared_ptr<LocalCollection> opened(
      new LocalCollection(collection, std::move(store), environment));
  if (!directory.empty()) opened->KeepIndexSnapshotsIn(directory);
  DIPTYCH_RETURN_IF_ERROR(opened->Load());
  return opened;
}

absl::Status LocalCollection::Load() {
  bool known = false;
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(auto format, read->Get(Table::kMeta, kFormatKey));
    known =
        format.has_value() &&
        DecodeFormat(kFormatKey, *format).value_or(0) == kStorageFormatVersion;
  }
  if (!known) {
    DIPTYCH_RETURN_IF_ERROR(store_->RunWrite(InitializeFormat));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_RETURN_IF_ERROR(CheckDirectoryTables(*read));
  const size_t spaces = description().spec.vector_spaces.size();
  std::vector<SpaceState> states;
  for (size_t space = 0; space < spaces; ++space) {
    DIPTYCH_ASSIGN_OR_RETURN(
        SpaceState state, ReadSpaceState(*read, static_cast<uint8_t>(space)));
    states.push_back(std::move(state));
  }
  FixSpaces(states);

  read.reset();
  return LoadIndex();
}

absl::Status LocalCollection::IndexRecords(ReadTransaction& read, Slot first) {
  const size_t spaces = description().spec.vector_spaces.size();
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read.NewCursor(Table::kObjects));
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(SlotKey(first)));
  for (; found;) {
    Slot slot;
    const bool parsed = ParseSlotKey(cursor->key(), slot);
    auto record = DecodeObject(cursor->key(), cursor->value());
    absl::Status status = record.status();
    std::vector<std::vector<float>> vectors;
    if (status.ok() && !parsed) status = absl::DataLossError("not a slot");
    for (size_t i = 0; status.ok() && i < record->vectors.size(); ++i) {
      auto vector = ReadVector(read, slot, record->vectors[i]);
      status = vector.status();
      if (status.ok() && record->vectors[i].space >= spaces) {
        status = absl::DataLossError("no such space");
      }
      if (status.ok()) vectors.push_back(*std::move(vector));
    }
    if (status.ok()) {
      IndexedObject object = IndexedObjectOf(slot, *record);
      for (size_t i = 0; i < vectors.size(); ++i) {
        object.vectors[i].vector = vectors[i];
      }
      DIPTYCH_RETURN_IF_ERROR(index_.Insert(object));
    } else if (status.code() == absl::StatusCode::kDataLoss) {
      if (parsed) {
        damaged_slots_.Add(slot);
      } else {
        ++damaged_keys_;
      }
    } else {
      return status;
    }
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  return absl::OkStatus();
}

void LocalCollection::SetDescription(const Collection& collection) {
  absl::MutexLock lock(&mutex_);
  Collection next = collection;
  for (size_t i = 0; i < next.spec.vector_spaces.size(); ++i) {
    const VectorSpace& now = description_->spec.vector_spaces[i];
    next.spec.vector_spaces[i].dimension = now.dimension;
    next.spec.vector_spaces[i].model_fingerprint = now.model_fingerprint;
  }
  description_ = std::make_shared<const Collection>(std::move(next));
}

void LocalCollection::FixSpaces(const std::vector<SpaceState>& states) {
  absl::MutexLock lock(&mutex_);
  Collection next = *description_;
  for (size_t i = 0; i < states.size(); ++i) {
    VectorSpace& space = next.spec.vector_spaces[i];
    if (states[i].dimension != 0) space.dimension = states[i].dimension;
    space.model_fingerprint = states[i].model_fingerprint;
  }
  description_ = std::make_shared<const Collection>(std::move(next));
}

CollectionStats LocalCollection::Stats() const {
  CollectionStats stats;
  stats.disk_bytes = store_->size_bytes();
  if (auto read = store_->BeginRead(); read.ok()) {
    if (auto counters = ReadCounters(**read); counters.ok()) {
      stats.objects = counters->objects;
      stats.images = counters->images;
    }
  }
  const Collection collection = description();
  for (size_t i = 0; i < collection.spec.vector_spaces.size(); ++i) {
    const VectorSpace& space = collection.spec.vector_spaces[i];
    const auto statistics = index_.Statistics(static_cast<uint8_t>(i));
    stats.vector_spaces.push_back(
        {space.name, statistics.vectors, space.dimension, statistics.building,
         statistics.memory_bytes, space.model_fingerprint});
  }
  return stats;
}

absl::Status LocalCollection::Compact() {
  DIPTYCH_RETURN_IF_ERROR(index_.Compact());
  snapshot_wanted_ = true;
  return absl::OkStatus();
}

absl::Status LocalCollection::Flush() { return store_->Sync(); }

absl::StatusOr<CompactionResult> LocalCollection::CompactStore(
    const CallContext& context) {
  CompactionResult result;
  result.disk_bytes_before = store_->size_bytes();
  // Writes wait in their queue, where their deadlines hold.
  DIPTYCH_RETURN_IF_ERROR(queue_.RunBetweenWrites(context, [&] {
    return store_->Compact(
        [&] { return context.Check(environment_.clock->Now()); });
  }));
  snapshot_wanted_ = true;
  result.disk_bytes_after = store_->size_bytes();
  return result;
}

absl::StatusOr<Properties> LocalCollection::ReadProperties(Slot slot) {
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, slot));
  // Deleted a moment ago: the caller will not find it either.
  if (!record.has_value()) return Properties();
  return std::move(record->properties);
}

Timestamp LocalCollection::Now() const {
  return {absl::ToUnixMicros(environment_.clock->Now())};
}

}  // namespace diptych::storage
