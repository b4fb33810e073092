// One request's objects on their way through the write queue.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status/error_details.h"
#include "storage/engine/collection_index.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_vectorizer.h"
#include "storage/engine/requests.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// An object that is ready to be written, if the store agrees.
struct PendingObject {
  // Position in the caller's request, for error messages.
  size_t index = 0;
  std::string id;
  Properties properties;
  // Of the request, which outlives the write; never null.
  const ImageBytes* images = nullptr;
  // One per space; empty: none.
  std::vector<PendingVector> vectors;
  // False: not vectorised, because the id was seen to exist (inserts).
  bool vectorized = true;
  // Updates: the version from which this one was made.
  std::optional<Slot> expected_slot;
};

// Names of the image properties whose bytes were given are completed: hash and
// size. Adds to `violations` what does not fit together.
void ResolveImages(size_t index, Properties& properties,
                   const ImageBytes& images, FieldViolations& violations);

// Operation: Prepare decides each object's fate against the store, Write writes
// it, Apply makes it searchable. As QueuedWrite asks of them.
// Concurrency: one thread at a time.
// Limits: as many objects as the request may have.
class ObjectWriteBatch {
 public:
  // An error of Prepare that says: read the objects again and start over.
  static bool IsConflict(const absl::Status& status);

  ObjectWriteBatch(const CollectionSpec& spec, const Limits& limits,
                   Timestamp now, WriteMode mode,
                   std::vector<PendingObject> objects,
                   std::vector<std::string> fingerprints);

  // INVALID_ARGUMENT: wrong dimension, an image whose bytes are missing, an
  // object that is too large. FAILED_PRECONDITION: vectors of another model.
  absl::Status Prepare(ReadTransaction& transaction);
  absl::Status Write(WriteTransaction& transaction);
  absl::Status Apply(CollectionIndex& index);

  // From here on a bad object is left out instead of failing the batch: for
  // imports. Call it before Prepare.
  void TakeEachByItself() { each_by_itself_ = true; }
  // Of the last Prepare, one per object: what becomes of it, or why it is left
  // out (the errors of Prepare, and ABORTED for a conflict).
  std::vector<absl::StatusOr<WriteOutcome>> TakeOutcomes();

  size_t bytes() const { return bytes_; }
  // Of the last Prepare: in the order of the request.
  std::vector<WrittenObject> TakeResults();
  // What the spaces are after it.
  const std::vector<SpaceState>& states() const { return states_; }

 private:
  // What happens to one object.
  struct Decision {
    const PendingObject* object = nullptr;
    WriteOutcome outcome = WriteOutcome::kCreated;
    Slot slot = 0;
    ObjectRecord record;
    std::vector<std::vector<float>> vectors;
    std::optional<Slot> old_slot;
    // Absent although there is an old slot: its record is damaged.
    std::optional<ObjectRecord> old;
  };
  absl::Status Decide(ReadTransaction& transaction, const PendingObject& object,
                      FieldViolations& violations);
  absl::Status DecideImages(ReadTransaction& transaction,
                            const PendingObject& object, ObjectRecord& record,
                            FieldViolations& violations);
  void DecideVectors(const PendingObject& object, Decision& decision,
                     FieldViolations& violations);
  absl::Status CheckFingerprints();
  absl::Status CheckFingerprint(size_t space);
  absl::Status DecideByItself(ReadTransaction& transaction,
                              const PendingObject& object);
  // What Write does to the slots.
  ChangeRecord Change() const;

  const CollectionSpec spec_;
  const Limits& limits_;
  const Timestamp now_;
  const WriteMode mode_;
  const std::vector<PendingObject> objects_;
  const std::vector<std::string> fingerprints_;
  size_t bytes_ = 0;
  bool each_by_itself_ = false;

  std::vector<Decision> decisions_;
  std::vector<absl::StatusOr<WriteOutcome>> outcomes_;
  Counters counters_;
  std::vector<SpaceState> states_;
  // Contents whose bytes earlier objects of the request bring: their sizes.
  std::map<std::string, uint64_t, std::less<>> brought_;
};

// Operation: deletes the objects of `ids`; those that do not exist are passed
// over.
// Concurrency, limits: as ObjectWriteBatch.
class ObjectDeleteBatch {
 public:
  // Sorted ids; at most `limit` of those that exist are deleted (0: all).
  absl::Status Prepare(ReadTransaction& transaction,
                       const std::vector<std::string>& ids, uint64_t limit);
  absl::Status Write(WriteTransaction& transaction);
  absl::Status Apply(CollectionIndex& index);

  uint64_t deleted() const { return deletions_.size(); }

 private:
  struct Deletion {
    std::string id;
    Slot slot = 0;
    std::optional<ObjectRecord> record;  // absent: damaged
  };
  std::vector<Deletion> deletions_;
};

// Of a record, for the index. The record must outlive it.
IndexedObject IndexedObjectOf(Slot slot, const ObjectRecord& record);

}  // namespace diptych::storage
