#include "storage/record/lmdb_transaction.h"

#include <cerrno>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

MDB_val ToVal(absl::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

absl::string_view ToView(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

absl::Status CheckKey(absl::string_view key) {
  if (!key.empty() && key.size() <= RecordStore::kKeyBytesMax) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("keys have 1 to ", RecordStore::kKeyBytesMax,
                   " bytes, this one has ", key.size()));
}

class Cursor final : public RecordCursor {
 public:
  explicit Cursor(MDB_cursor* cursor) : cursor_(cursor) {}
  ~Cursor() override { mdb_cursor_close(cursor_); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  absl::StatusOr<bool> Seek(absl::string_view key) override {
    key_ = ToVal(key);
    return Move(key.empty() ? MDB_FIRST : MDB_SET_RANGE);
  }
  absl::StatusOr<bool> Next() override { return Move(MDB_NEXT); }
  absl::string_view key() const override { return ToView(key_); }
  absl::string_view value() const override { return ToView(value_); }

 private:
  absl::StatusOr<bool> Move(MDB_cursor_op operation) {
    const int code = mdb_cursor_get(cursor_, &key_, &value_, operation);
    if (code == MDB_NOTFOUND) return false;
    if (code != 0) return LmdbError(code, "cannot read the store");
    return true;
  }

  MDB_cursor* const cursor_;
  MDB_val key_ = {};
  MDB_val value_ = {};
};

class EmptyCursor final : public RecordCursor {
 public:
  absl::StatusOr<bool> Seek(absl::string_view) override { return false; }
  absl::StatusOr<bool> Next() override { return false; }
  absl::string_view key() const override { return ""; }
  absl::string_view value() const override { return ""; }
};

}  // namespace

absl::Status LmdbError(int code, absl::string_view doing) {
  // Asked after every write, and before anything that takes memory: a commit
  // that succeeded must not end as one that failed.
  if (code == MDB_SUCCESS) return absl::OkStatus();
  const std::string message =
      absl::StrCat(doing, ": ", mdb_strerror(code), " (", code, ")");
  switch (code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
      return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            message, "; free disk space or raise the limit")),
                        "STORE_FULL");
    case ENOMEM:
      return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            message, "; give the server more memory")),
                        "OUT_OF_MEMORY");
    case MDB_TXN_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat(message, "; write less at once"));
    case MDB_READERS_FULL:
      return WithRetryAfter(absl::ResourceExhaustedError(absl::StrCat(
                                message, "; too many reads at once")),
                            absl::Milliseconds(100));
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return absl::DataLossError(message);
    case MDB_PANIC:
      return absl::InternalError(
          absl::StrCat(message, "; an earlier write to disk failed"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<std::optional<absl::string_view>> GetLmdbRecord(
    MDB_txn* transaction, MDB_dbi table, absl::string_view key) {
  // LMDB refuses empty keys; none is stored.
  if (key.empty() || table == kNoLmdbTable) {
    return std::optional<absl::string_view>();
  }
  MDB_val key_value = ToVal(key), value;
  const int code = mdb_get(transaction, table, &key_value, &value);
  if (code == MDB_NOTFOUND) return std::optional<absl::string_view>();
  if (code != 0) return LmdbError(code, "cannot read the store");
  return std::optional<absl::string_view>(ToView(value));
}

absl::StatusOr<std::unique_ptr<RecordCursor>> OpenLmdbCursor(
    MDB_txn* transaction, MDB_dbi table) {
  if (table == kNoLmdbTable) return std::make_unique<EmptyCursor>();
  MDB_cursor* cursor = nullptr;
  if (int code = mdb_cursor_open(transaction, table, &cursor); code != 0) {
    return LmdbError(code, "cannot read the store");
  }
  auto close = absl::MakeCleanup([cursor] { mdb_cursor_close(cursor); });
  auto made = std::make_unique<Cursor>(cursor);
  std::move(close).Cancel();
  return made;
}

absl::StatusOr<std::optional<absl::string_view>> LmdbWriteTransaction::Get(
    Table table, absl::string_view key) {
  return GetLmdbRecord(transaction_, tables_[static_cast<int>(table)], key);
}

absl::StatusOr<std::unique_ptr<RecordCursor>> LmdbWriteTransaction::NewCursor(
    Table table) {
  return OpenLmdbCursor(transaction_, tables_[static_cast<int>(table)]);
}

absl::Status LmdbWriteTransaction::Put(Table table, absl::string_view key,
                                       absl::string_view value) {
  // Keys made from slots only grow.
  if (table == Table::kObjects || table == Table::kVectors) {
    return Append(table, key, value);
  }
  DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
  MDB_val key_value = ToVal(key), data = ToVal(value);
  return Noted(mdb_put(transaction_, tables_[static_cast<int>(table)],
                       &key_value, &data, 0));
}

absl::Status LmdbWriteTransaction::Append(Table table, absl::string_view key,
                                          absl::string_view value) {
  DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
  const MDB_dbi handle = tables_[static_cast<int>(table)];
  MDB_val key_value = ToVal(key), data = ToVal(value);
  // MDB_APPEND fills pages to the brim, where the ordinary way splits them in
  // halves.
  const int code = mdb_put(transaction_, handle, &key_value, &data, MDB_APPEND);
  if (code != MDB_KEYEXIST) return Noted(code);
  key_value = ToVal(key);
  data = ToVal(value);
  return Noted(mdb_put(transaction_, handle, &key_value, &data, 0));
}

absl::StatusOr<bool> LmdbWriteTransaction::Delete(Table table,
                                                  absl::string_view key) {
  DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
  MDB_val key_value = ToVal(key);
  const int code = mdb_del(transaction_, tables_[static_cast<int>(table)],
                           &key_value, nullptr);
  if (code == MDB_NOTFOUND) return false;
  DIPTYCH_RETURN_IF_ERROR(Noted(code));
  return true;
}

absl::Status LmdbWriteTransaction::Noted(int code) {
  if (code == MDB_MAP_FULL) map_full_ = true;
  return LmdbError(code, "cannot write to the store");
}

}  // namespace diptych::storage
