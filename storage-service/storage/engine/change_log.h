// The change log of a collection: what each request did to its slots, by
// sequence number.
//
// Operation: every committed request that changes something gets the next
// number, and its change is written in its transaction. An index snapshot names
// the last number that it covers; the changes behind it, and the objects under
// the slots that they gave out, are what it lacks. Changes that a snapshot
// covers are trimmed; where no snapshots are written, all are.
// Concurrency: functions on a transaction, which one thread uses at a time.
// Limits: some 40 bytes per request and 4 per slot that it empties, until they
// are trimmed.
// Errors: DATA_LOSS for a damaged record or a gap; those of the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/index/slot_set.h"
#include "storage/record/record_codec.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Of the last change; 0: there was none.
absl::StatusOr<uint64_t> ReadSequence(ReadTransaction& transaction);

// Nothing is written for a change of nothing.
absl::Status AppendChange(WriteTransaction& transaction,
                          const ChangeRecord& change);

// Slots emptied by the changes behind `sequence`.
absl::StatusOr<SlotSet> ReadRemovedSince(ReadTransaction& transaction,
                                         uint64_t sequence);

// Removes changes up to `sequence`, `limit` of them at most. False: there may
// be more.
absl::StatusOr<bool> TrimChanges(WriteTransaction& transaction,
                                 uint64_t sequence, size_t limit);

// Removes all changes, `limit` of them at most, and says that no index snapshot
// counts, since it could not be brought up to date any more.
absl::Status ForgetChanges(WriteTransaction& transaction, size_t limit);

// nullopt: none was written.
absl::StatusOr<std::optional<IndexSnapshotRecord>> ReadIndexSnapshotRecord(
    ReadTransaction& transaction);
absl::Status WriteIndexSnapshotRecord(WriteTransaction& transaction,
                                      const IndexSnapshotRecord& record);

}  // namespace diptych::storage
