// An ordered, transactional store of key-value pairs in a few named tables: the
// ground that collections stand on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// Their order is part of the storage format (docs/storage_format.md).
enum class Table : uint8_t {
  kMeta = 0,
  kCollections = 1,
  kObjects = 2,
  kIds = 3,
  kVectors = 4,
  kImages = 5,
  kImageReferences = 6,
  kChanges = 7,
};
inline constexpr int kTableCount = 8;

// Walks a table in bytewise order of its keys. Belongs to a transaction and
// must not outlive it; a write through the transaction invalidates it.
class RecordCursor {
 public:
  virtual ~RecordCursor() = default;
  // To the first key >= `key`. False: there is none.
  virtual absl::StatusOr<bool> Seek(absl::string_view key) = 0;
  // To the next key; only after a Seek or Next that returned true.
  virtual absl::StatusOr<bool> Next() = 0;
  // Of the current position; valid until the transaction ends.
  virtual absl::string_view key() const = 0;
  virtual absl::string_view value() const = 0;
};

// A snapshot: sees what was committed when it began, and nothing later.
// Concurrency: one thread at a time. A thread holds at most one transaction of
// a store, and none when it calls RunWrite: the store may have to wait for all
// reads to end.
// Limits: keep it short; an old snapshot keeps freed space from being reused.
class ReadTransaction {
 public:
  virtual ~ReadTransaction() = default;
  // nullopt: no such key. The view is valid until the transaction ends or
  // writes. DATA_LOSS: the store's own structure is broken.
  virtual absl::StatusOr<std::optional<absl::string_view>> Get(
      Table table, absl::string_view key) = 0;
  virtual absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
      Table table) = 0;
};

// Sees its own writes. On the first error nothing more may be written, and the
// error must be returned from RunWrite's function.
class WriteTransaction : public ReadTransaction {
 public:
  // Inserts or replaces. Keys are 1 to kKeyBytesMax bytes.
  virtual absl::Status Put(Table table, absl::string_view key,
                           absl::string_view value) = 0;
  // As Put; a store may pack keys densely that come in ascending order behind
  // all others of the table.
  virtual absl::Status Append(Table table, absl::string_view key,
                              absl::string_view value) {
    return Put(table, key, value);
  }
  // False: there was no such key.
  virtual absl::StatusOr<bool> Delete(Table table, absl::string_view key) = 0;
};

// Operation: reads see snapshots; writes are transactions that are durable,
// whole, when RunWrite returns OK, and leave no trace otherwise.
// Concurrency: every method may be called from any thread. Writes run one after
// the other; reads run beside each other and beside writes.
// Limits: keys of kKeyBytesMax bytes; the size given at opening.
class RecordStore {
 public:
  static constexpr size_t kKeyBytesMax = 511;

  virtual ~RecordStore() = default;

  // RESOURCE_EXHAUSTED: too many reads at once.
  virtual absl::StatusOr<std::unique_ptr<ReadTransaction>> BeginRead() = 0;

  // Runs `write` in a transaction and commits it if it returns OK. It may be
  // run again from the start in a fresh transaction (when the store had to
  // grow), so it must not keep anything from an earlier run.
  // Errors: those of `write`; RESOURCE_EXHAUSTED when the disk or the store is
  // full; INTERNAL or DATA_LOSS when the disk fails. Then nothing is written.
  virtual absl::Status RunWrite(
      absl::FunctionRef<absl::Status(WriteTransaction&)> write) = 0;

  // Bytes on disk (in memory, for a store that has no disk).
  virtual uint64_t size_bytes() const = 0;

  // To be called before a read that lasts: makes room, so that the store need
  // not grow meanwhile, for which all reads would have to wait, unless twice as
  // much is written as it holds.
  virtual absl::Status ReserveForLongRead() = 0;

  // On OK everything committed is on the disk. Commits see to that by
  // themselves.
  virtual absl::Status Sync() = 0;

  // Rewrites the store, so that nothing deleted is left on the disk and free
  // space is given back. Writes wait until it is done, reads for the moment in
  // which the new file takes the place of the old one; the caller's thread may
  // hold no read. `check` is asked now and then; its error ends it.
  // RESOURCE_EXHAUSTED: no room for the copy. On an error the store goes on as
  // it was, or, where the disk fails at the very end, as it should be.
  virtual absl::Status Compact(absl::FunctionRef<absl::Status()> check) = 0;
};

}  // namespace diptych::storage
