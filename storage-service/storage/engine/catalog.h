// Which collections there are.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/record/record_store.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// Operation: the descriptions of all collections, each under its id, and the
// next id, in a record store of their own. Every change is durable on return.
// Concurrency: one thread at a time; the engine sees to that.
// Limits: none of its own.
// Errors: those of the store; DATA_LOSS for a damaged record.
class Catalog {
 public:
  // FAILED_PRECONDITION: written by a newer version.
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(
      std::unique_ptr<RecordStore> store);

  absl::StatusOr<std::vector<Collection>> ReadAll();
  // Of a store that may be open for reading only. FAILED_PRECONDITION: written
  // by a newer version. DATA_LOSS: it is no catalog.
  static absl::StatusOr<std::vector<Collection>> ReadFrom(RecordStore& store);

  // Ids are given out once, also when nothing is added under one.
  uint64_t TakeId() { return next_id_++; }
  // `collection.id` comes from TakeId.
  absl::Status Add(const Collection& collection);
  absl::Status Replace(const Collection& collection);
  absl::Status Remove(uint64_t id);
  // In one commit: `collections` instead of all there are. Ids that it brings
  // along will not be given out again.
  absl::Status ReplaceAll(absl::Span<const Collection> collections);

 private:
  explicit Catalog(std::unique_ptr<RecordStore> store)
      : store_(std::move(store)) {}

  const std::unique_ptr<RecordStore> store_;
  uint64_t next_id_ = 1;
};

}  // namespace diptych::storage
