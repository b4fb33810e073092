// Transactions and errors of LMDB (http://www.lmdb.tech/doc/), for
// LmdbRecordStore, which alone includes this header.
//
// Concurrency: as LMDB's transactions: one thread at a time.
#pragma once

#include <lmdb.h>

#include <array>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// OK for 0, else what LMDB's return code, or an errno, means for `doing`.
absl::Status LmdbError(int code, absl::string_view doing);

// Of a table that a store opened for reading lacks.
inline constexpr MDB_dbi kNoLmdbTable = ~MDB_dbi{0};

using LmdbTables = std::array<MDB_dbi, kTableCount>;

absl::StatusOr<std::optional<absl::string_view>> GetLmdbRecord(
    MDB_txn* transaction, MDB_dbi table, absl::string_view key);
absl::StatusOr<std::unique_ptr<RecordCursor>> OpenLmdbCursor(
    MDB_txn* transaction, MDB_dbi table);

// Does not own the transaction.
class LmdbWriteTransaction final : public WriteTransaction {
 public:
  LmdbWriteTransaction(MDB_txn* transaction, const LmdbTables& tables)
      : transaction_(transaction), tables_(tables) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(
      Table table, absl::string_view key) override;
  absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(Table table) override;
  absl::Status Put(Table table, absl::string_view key,
                   absl::string_view value) override;
  absl::Status Append(Table table, absl::string_view key,
                      absl::string_view value) override;
  absl::StatusOr<bool> Delete(Table table, absl::string_view key) override;

  // Whether a write failed because the map is full.
  bool map_full() const { return map_full_; }

 private:
  absl::Status Noted(int code);

  MDB_txn* const transaction_;
  const LmdbTables& tables_;
  bool map_full_ = false;
};

}  // namespace diptych::storage
