#include "storage/record/lmdb_record_store.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

constexpr std::array<const char*, kTableCount> kTableNames = {
    "meta",    "collections", "objects",         "ids",
    "vectors", "images",      "image_references"};

absl::Status LmdbError(int code, absl::string_view doing) {
  const std::string message =
      absl::StrCat(doing, ": ", mdb_strerror(code), " (", code, ")");
  switch (code) {
    case MDB_SUCCESS:
      return absl::OkStatus();
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            message, "; free disk space or raise the limit")),
                        "STORE_FULL");
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
      return absl::InternalError(absl::StrCat(
          message, "; an earlier write to disk failed, restart the server"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

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

absl::Status SyncDirectory(const std::filesystem::path& directory) {
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) {
    return LmdbError(errno, absl::StrCat("cannot open ", directory.string()));
  }
  const int result = fsync(file) == 0 ? 0 : errno;
  close(file);
  return LmdbError(result, absl::StrCat("cannot sync ", directory.string()));
}

using TableHandles = std::array<MDB_dbi, kTableCount>;

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

absl::StatusOr<std::optional<absl::string_view>> GetRecord(
    MDB_txn* transaction, MDB_dbi table, absl::string_view key) {
  // LMDB refuses empty keys; none is stored.
  if (key.empty()) return std::optional<absl::string_view>();
  MDB_val key_value = ToVal(key), value;
  const int code = mdb_get(transaction, table, &key_value, &value);
  if (code == MDB_NOTFOUND) return std::optional<absl::string_view>();
  if (code != 0) return LmdbError(code, "cannot read the store");
  return std::optional<absl::string_view>(ToView(value));
}

absl::StatusOr<std::unique_ptr<RecordCursor>> OpenCursor(MDB_txn* transaction,
                                                         MDB_dbi table) {
  MDB_cursor* cursor = nullptr;
  if (int code = mdb_cursor_open(transaction, table, &cursor); code != 0) {
    return LmdbError(code, "cannot read the store");
  }
  return std::make_unique<Cursor>(cursor);
}

class Write final : public WriteTransaction {
 public:
  Write(MDB_txn* transaction, const TableHandles& tables)
      : transaction_(transaction), tables_(tables) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(
      Table table, absl::string_view key) override {
    return GetRecord(transaction_, tables_[static_cast<int>(table)], key);
  }
  absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
      Table table) override {
    return OpenCursor(transaction_, tables_[static_cast<int>(table)]);
  }

  absl::Status Put(Table table, absl::string_view key,
                   absl::string_view value) override {
    DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
    const MDB_dbi handle = tables_[static_cast<int>(table)];
    MDB_val key_value = ToVal(key), data = ToVal(value);
    // Keys made from slots only grow. MDB_APPEND then fills pages to the brim,
    // where the ordinary way splits them in halves.
    if (table == Table::kObjects || table == Table::kVectors) {
      const int code =
          mdb_put(transaction_, handle, &key_value, &data, MDB_APPEND);
      if (code != MDB_KEYEXIST) return Noted(code);
      key_value = ToVal(key);
      data = ToVal(value);
    }
    return Noted(mdb_put(transaction_, handle, &key_value, &data, 0));
  }

  absl::StatusOr<bool> Delete(Table table, absl::string_view key) override {
    DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
    MDB_val key_value = ToVal(key);
    const int code = mdb_del(transaction_, tables_[static_cast<int>(table)],
                             &key_value, nullptr);
    if (code == MDB_NOTFOUND) return false;
    DIPTYCH_RETURN_IF_ERROR(Noted(code));
    return true;
  }

  // Whether a write failed because the map is full.
  bool map_full() const { return map_full_; }

 private:
  absl::Status Noted(int code) {
    if (code == MDB_MAP_FULL) map_full_ = true;
    return LmdbError(code, "cannot write to the store");
  }

  MDB_txn* const transaction_;
  const TableHandles& tables_;
  bool map_full_ = false;
};

}  // namespace

class LmdbRecordStore::Environment {
 public:
  Environment(MDB_env* env, const LmdbOptions& options)
      : env_(env), options_(options) {}
  ~Environment() { mdb_env_close(env_); }

  MDB_env* env() const { return env_; }
  TableHandles& tables() { return tables_; }
  absl::Mutex& write_mutex() { return write_mutex_; }

  // Reads are counted, because LMDB may change its map only while no
  // transaction of the process is alive.
  void EnterRead() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](bool* growing) { return !*growing; }, &growing_));
    ++reads_;
  }
  void LeaveRead() {
    absl::MutexLock lock(&mutex_);
    --reads_;
  }

  // The write mutex is held and no write transaction is open. `size` 0: take
  // over the size that the file says.
  absl::Status Resize(uint64_t size) {
    absl::MutexLock lock(&mutex_);
    growing_ = true;
    mutex_.Await(absl::Condition(
        +[](int64_t* reads) { return *reads == 0; }, &reads_));
    const int code = mdb_env_set_mapsize(env_, size);
    growing_ = false;
    return LmdbError(code,
                     absl::StrCat("cannot grow the store to ", size, " bytes"));
  }

  absl::Status Grow() {
    const uint64_t size = map_bytes();
    if (size >= options_.map_bytes_max) {
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              "the collection has reached its largest size; delete objects or "
              "raise the limit, which is ",
              options_.map_bytes_max, " bytes")),
          "STORE_FULL");
    }
    return Resize(std::min(size * 2, options_.map_bytes_max));
  }

  // The map must not move meanwhile: the write mutex is held, or a read is
  // counted.
  uint64_t map_bytes() const {
    MDB_envinfo information;
    mdb_env_info(env_, &information);
    return information.me_mapsize;
  }

 private:
  MDB_env* const env_;
  const LmdbOptions options_;
  TableHandles tables_ = {};
  absl::Mutex write_mutex_;
  absl::Mutex mutex_;
  bool growing_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;

 public:
  // A snapshot, counted among the reads.
  class Read final : public ReadTransaction {
   public:
    Read(Environment* environment, MDB_txn* transaction)
        : environment_(environment), transaction_(transaction) {}
    ~Read() override {
      mdb_txn_abort(transaction_);
      environment_->LeaveRead();
    }
    Read(const Read&) = delete;
    Read& operator=(const Read&) = delete;

    absl::StatusOr<std::optional<absl::string_view>> Get(
        Table table, absl::string_view key) override {
      return GetRecord(transaction_,
                       environment_->tables_[static_cast<int>(table)], key);
    }
    absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
        Table table) override {
      return OpenCursor(transaction_,
                        environment_->tables_[static_cast<int>(table)]);
    }

   private:
    Environment* const environment_;
    MDB_txn* const transaction_;
  };
};

LmdbRecordStore::LmdbRecordStore(std::unique_ptr<Environment> environment)
    : environment_(std::move(environment)) {}

LmdbRecordStore::~LmdbRecordStore() = default;

absl::StatusOr<std::unique_ptr<LmdbRecordStore>> LmdbRecordStore::Open(
    const std::filesystem::path& directory, const LmdbOptions& options) {
  const std::string opening =
      absl::StrCat("cannot open the store ", directory.string());
  std::error_code error;
  const bool made = std::filesystem::create_directories(directory, error);
  if (error) return LmdbError(error.value(), opening);

  MDB_env* env = nullptr;
  if (int code = mdb_env_create(&env); code != 0) {
    return LmdbError(code, opening);
  }
  auto environment = std::make_unique<Environment>(env, options);
  // A file that has grown beyond the size asked for keeps its own.
  int code = mdb_env_set_mapsize(
      env, std::min(options.map_bytes, options.map_bytes_max));
  if (code == 0) code = mdb_env_set_maxdbs(env, kTableCount);
  if (code == 0) code = mdb_env_set_maxreaders(env, options.readers_max);
  if (code == 0) {
    code =
        mdb_env_open(env, directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0640);
  }
  if (code != 0) return LmdbError(code, opening);
  // Readers of a process that was killed would keep space from being reused.
  int dead_readers = 0;
  mdb_reader_check(env, &dead_readers);

  MDB_txn* transaction = nullptr;
  code = mdb_txn_begin(env, nullptr, 0, &transaction);
  if (code == MDB_MAP_RESIZED) {
    DIPTYCH_RETURN_IF_ERROR(environment->Resize(0));
    code = mdb_txn_begin(env, nullptr, 0, &transaction);
  }
  if (code != 0) return LmdbError(code, opening);
  for (int table = 0; table < kTableCount && code == 0; ++table) {
    code = mdb_dbi_open(transaction, kTableNames[table], MDB_CREATE,
                        &environment->tables()[table]);
  }
  if (code != 0) {
    mdb_txn_abort(transaction);
    return LmdbError(code, opening);
  }
  if (code = mdb_txn_commit(transaction); code != 0) {
    return LmdbError(code, opening);
  }
  if (made) {
    DIPTYCH_RETURN_IF_ERROR(SyncDirectory(directory));
    DIPTYCH_RETURN_IF_ERROR(SyncDirectory(directory.parent_path()));
  }
  return std::unique_ptr<LmdbRecordStore>(
      new LmdbRecordStore(std::move(environment)));
}

absl::StatusOr<std::unique_ptr<ReadTransaction>> LmdbRecordStore::BeginRead() {
  environment_->EnterRead();
  MDB_txn* transaction = nullptr;
  if (int code =
          mdb_txn_begin(environment_->env(), nullptr, MDB_RDONLY, &transaction);
      code != 0) {
    environment_->LeaveRead();
    return LmdbError(code, "cannot read the store");
  }
  return std::make_unique<Environment::Read>(environment_.get(), transaction);
}

absl::Status LmdbRecordStore::RunWrite(
    absl::FunctionRef<absl::Status(WriteTransaction&)> write) {
  absl::MutexLock lock(&environment_->write_mutex());
  while (true) {
    MDB_txn* transaction = nullptr;
    int code = mdb_txn_begin(environment_->env(), nullptr, 0, &transaction);
    if (code == MDB_MAP_RESIZED) {
      DIPTYCH_RETURN_IF_ERROR(environment_->Resize(0));
      continue;
    }
    if (code != 0) return LmdbError(code, "cannot write to the store");
    auto abort =
        absl::MakeCleanup([transaction] { mdb_txn_abort(transaction); });
    Write write_transaction(transaction, environment_->tables());
    const absl::Status status = write(write_transaction);
    if (write_transaction.map_full()) {
      std::move(abort).Invoke();
      DIPTYCH_RETURN_IF_ERROR(environment_->Grow());
      continue;
    }
    DIPTYCH_RETURN_IF_ERROR(status);
    std::move(abort).Cancel();
    // Ends the transaction, whatever it returns.
    code = mdb_txn_commit(transaction);
    if (code == MDB_MAP_FULL) {
      DIPTYCH_RETURN_IF_ERROR(environment_->Grow());
      continue;
    }
    return LmdbError(code, "cannot commit to the store");
  }
}

uint64_t LmdbRecordStore::size_bytes() const {
  MDB_envinfo information;
  MDB_stat statistics;
  environment_->EnterRead();
  mdb_env_info(environment_->env(), &information);
  mdb_env_stat(environment_->env(), &statistics);
  environment_->LeaveRead();
  return (information.me_last_pgno + 1) * uint64_t{statistics.ms_psize};
}

uint64_t LmdbRecordStore::map_bytes() const {
  environment_->EnterRead();
  const uint64_t bytes = environment_->map_bytes();
  environment_->LeaveRead();
  return bytes;
}

}  // namespace diptych::storage
