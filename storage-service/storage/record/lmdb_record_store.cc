#include "storage/record/lmdb_record_store.h"

#include <lmdb.h>

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
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/file_error/file_error.h"
#include "storage/record/durable_files.h"
#include "storage/record/lmdb_file.h"
#include "storage/record/lmdb_transaction.h"
#include "storage/record/record_copy.h"

namespace diptych::storage {
namespace {

constexpr std::array<const char*, kTableCount> kTableNames = {
    "meta",    "collections", "objects",          "ids",
    "vectors", "images",      "image_references", "changes"};

// Where a compaction writes, within the store's directory.
constexpr char kCompactionDirectory[] = "compaction";
constexpr char kDataFile[] = "data.mdb";
constexpr char kLockFile[] = "lock.mdb";

struct CloseEnvironment {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using OwnedEnvironment = std::unique_ptr<MDB_env, CloseEnvironment>;

// LMDB's part of LmdbRecordStore::Open; the directory is there.
absl::StatusOr<OwnedEnvironment> OpenEnvironment(
    const std::filesystem::path& directory, const LmdbOptions& options) {
  if (options.verify_structure) {
    DIPTYCH_RETURN_IF_ERROR(VerifyLmdbFile(directory / kDataFile));
  }
  MDB_env* env = nullptr;
  if (int code = mdb_env_create(&env); code != 0) {
    return LmdbError(code, "cannot make an environment");
  }
  OwnedEnvironment owned(env);
  // A file that has grown beyond the size asked for keeps its own.
  int code = mdb_env_set_mapsize(
      env, std::min(options.map_bytes, options.map_bytes_max));
  if (code == 0) code = mdb_env_set_maxdbs(env, kTableCount);
  if (code == 0) code = mdb_env_set_maxreaders(env, options.readers_max);
  const unsigned mode = MDB_NOTLS | MDB_NORDAHEAD |
                        (options.read_only ? MDB_RDONLY | MDB_NOLOCK : 0);
  if (code == 0) code = mdb_env_open(env, directory.c_str(), mode, 0640);
  if (code != 0) return LmdbError(code, "cannot open the file");
  if (!options.read_only) {
    // Readers of a process that was killed would keep space from being reused.
    int dead_readers = 0;
    mdb_reader_check(env, &dead_readers);
  }
  return owned;
}

absl::Status OpenTables(MDB_env* env, bool read_only, LmdbTables& tables) {
  const unsigned mode = read_only ? MDB_RDONLY : 0;
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(env, nullptr, mode, &transaction);
  if (code == MDB_MAP_RESIZED) {
    code = mdb_env_set_mapsize(env, 0);
    if (code == 0) code = mdb_txn_begin(env, nullptr, mode, &transaction);
  }
  if (code != 0) return LmdbError(code, "cannot begin a transaction");
  for (int table = 0; table < kTableCount && code == 0; ++table) {
    MDB_dbi& handle = tables[table];
    code = mdb_dbi_open(transaction, kTableNames[table],
                        read_only ? 0 : MDB_CREATE, &handle);
    // Written by a version that did not have this table.
    if (read_only && code == MDB_NOTFOUND) {
      handle = kNoLmdbTable;
      code = 0;
    }
  }
  if (code != 0) {
    mdb_txn_abort(transaction);
    return LmdbError(code, "cannot open the tables");
  }
  return LmdbError(mdb_txn_commit(transaction), "cannot open the tables");
}

}  // namespace

class LmdbRecordStore::Environment {
 public:
  Environment(OwnedEnvironment env, const LmdbTables& tables,
              std::filesystem::path directory, const LmdbOptions& options)
      : env_(std::move(env)),
        directory_(std::move(directory)),
        options_(options),
        tables_(tables) {}

  // Null after a failure of the disk, until Mend. May be asked while the write
  // mutex is held, or a read is counted.
  MDB_env* env() const { return env_.get(); }
  LmdbTables& tables() { return tables_; }
  const std::filesystem::path& directory() const { return directory_; }
  const LmdbOptions& options() const { return options_; }
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

  // The write mutex is held. After a commit whose end could not be written,
  // LMDB refuses everything, reads too, and it is not known whether the disk
  // has it. Then the environment is closed when the last read has ended, the
  // commit taken back in the file, and the file opened again. What fails of it
  // is tried again by the next call that needs the store.
  absl::Status MendAfterCommit(uint64_t transaction) {
    MDB_txn* probe = nullptr;
    const int code = mdb_txn_begin(env(), nullptr, 0, &probe);
    if (code == 0) mdb_txn_abort(probe);
    if (code != MDB_PANIC) return absl::OkStatus();
    doubtful_ = transaction;
    return Mend();
  }
  absl::Status EnsureOpen() {
    return env_ != nullptr && !doubtful_.has_value() ? absl::OkStatus()
                                                     : Mend();
  }

  // The write mutex is held for these two. After a loss of power an exchanged
  // file might be the old one again, without what is written from now on, until
  // the directory is on the disk.
  void OweDirectorySync() { directory_unsynced_ = true; }
  absl::Status EnsureWritable() {
    DIPTYCH_RETURN_IF_ERROR(EnsureOpen());
    if (directory_unsynced_) {
      DIPTYCH_RETURN_IF_ERROR(SyncPath(directory_));
      directory_unsynced_ = false;
    }
    return absl::OkStatus();
  }

  // The write mutex is held and no write transaction is open. `size` 0: take
  // over the size that the file says.
  absl::Status Resize(uint64_t size) {
    absl::MutexLock lock(&mutex_);
    growing_ = true;
    mutex_.Await(absl::Condition(
        +[](int64_t* reads) { return *reads == 0; }, &reads_));
    const int code = mdb_env_set_mapsize(env(), size);
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

  // The write mutex is held. Waits until no read is alive; then `rename` puts
  // the file of `other` in this one's place, and the two change their roles.
  absl::Status ExchangeWith(Environment& other,
                            absl::FunctionRef<absl::Status()> rename) {
    absl::MutexLock lock(&mutex_);
    growing_ = true;
    mutex_.Await(absl::Condition(
        +[](int64_t* reads) { return *reads == 0; }, &reads_));
    const absl::Status renamed = rename();
    if (renamed.ok()) {
      std::swap(env_, other.env_);
      std::swap(tables_, other.tables_);
    }
    growing_ = false;
    return renamed;
  }

  // The map must not move meanwhile: the write mutex is held, or a read is
  // counted.
  uint64_t map_bytes() const {
    MDB_envinfo information;
    mdb_env_info(env(), &information);
    return information.me_mapsize;
  }

 private:
  absl::Status Mend() {
    {
      absl::MutexLock lock(&mutex_);
      growing_ = true;
      mutex_.Await(absl::Condition(
          +[](int64_t* reads) { return *reads == 0; }, &reads_));
    }
    const auto done = absl::MakeCleanup([this] {
      absl::MutexLock lock(&mutex_);
      growing_ = false;
    });
    env_.reset();
    absl::Status status;
    if (doubtful_.has_value()) {
      status = RevertLmdbCommit(directory_ / kDataFile, *doubtful_);
    }
    if (status.ok()) {
      doubtful_.reset();
      auto opened = OpenEnvironment(directory_, options_);
      status = opened.status();
      if (status.ok()) {
        status = OpenTables(opened->get(), options_.read_only, tables_);
      }
      if (status.ok()) env_ = *std::move(opened);
    }
    return Annotate(status,
                    "the store was closed when the disk failed, and cannot be "
                    "opened again yet");
  }

  // Changed while no transaction is alive.
  OwnedEnvironment env_;
  const std::filesystem::path directory_;
  const LmdbOptions options_;
  LmdbTables tables_;
  // The write mutex is held for these two. A commit that the file may have or
  // not.
  std::optional<uint64_t> doubtful_;
  bool directory_unsynced_ = false;
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
      return GetLmdbRecord(transaction_,
                           environment_->tables_[static_cast<int>(table)], key);
    }
    absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
        Table table) override {
      return OpenLmdbCursor(transaction_,
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
  const bool made = !options.read_only &&
                    std::filesystem::create_directories(directory, error);
  if (error) return LmdbError(error.value(), opening);
  if (!options.read_only) {
    // Left by a compaction that did not end.
    DIPTYCH_RETURN_IF_ERROR(RemoveTree(directory / kCompactionDirectory));
  }

  auto env = OpenEnvironment(directory, options);
  if (!env.ok()) return Annotate(env.status(), opening);
  LmdbTables tables = {};
  DIPTYCH_RETURN_IF_ERROR(
      Annotate(OpenTables(env->get(), options.read_only, tables), opening));
  auto environment = std::make_unique<Environment>(*std::move(env), tables,
                                                   directory, options);
  if (made) {
    DIPTYCH_RETURN_IF_ERROR(SyncPath(directory));
    DIPTYCH_RETURN_IF_ERROR(SyncPath(directory.parent_path()));
  }
  return std::unique_ptr<LmdbRecordStore>(
      new LmdbRecordStore(std::move(environment)));
}

absl::StatusOr<std::unique_ptr<ReadTransaction>> LmdbRecordStore::BeginRead() {
  environment_->EnterRead();
  while (environment_->env() == nullptr) {
    environment_->LeaveRead();
    {
      absl::MutexLock lock(&environment_->write_mutex());
      DIPTYCH_RETURN_IF_ERROR(environment_->EnsureOpen());
    }
    environment_->EnterRead();
  }
  auto leave = absl::MakeCleanup([this] { environment_->LeaveRead(); });
  MDB_txn* transaction = nullptr;
  if (int code =
          mdb_txn_begin(environment_->env(), nullptr, MDB_RDONLY, &transaction);
      code != 0) {
    return LmdbError(code, "cannot read the store");
  }
  auto abort = absl::MakeCleanup([transaction] { mdb_txn_abort(transaction); });
  auto read =
      std::make_unique<Environment::Read>(environment_.get(), transaction);
  std::move(abort).Cancel();
  std::move(leave).Cancel();
  return read;
}

absl::Status LmdbRecordStore::RunWrite(
    absl::FunctionRef<absl::Status(WriteTransaction&)> write) {
  absl::MutexLock lock(&environment_->write_mutex());
  DIPTYCH_RETURN_IF_ERROR(environment_->EnsureWritable());
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
    LmdbWriteTransaction write_transaction(transaction, environment_->tables());
    const absl::Status status = write(write_transaction);
    if (write_transaction.map_full()) {
      std::move(abort).Invoke();
      DIPTYCH_RETURN_IF_ERROR(environment_->Grow());
      continue;
    }
    DIPTYCH_RETURN_IF_ERROR(status);
    std::move(abort).Cancel();
    const uint64_t number = mdb_txn_id(transaction);
    // Ends the transaction, whatever it returns.
    code = mdb_txn_commit(transaction);
    if (code == MDB_MAP_FULL) {
      DIPTYCH_RETURN_IF_ERROR(environment_->Grow());
      continue;
    }
    // It is this commit's error that counts; what else fails, the next call
    // finds.
    if (code != 0) environment_->MendAfterCommit(number).IgnoreError();
    return LmdbError(code, "cannot commit to the store");
  }
}

absl::Status LmdbRecordStore::ReserveForLongRead() {
  absl::MutexLock lock(&environment_->write_mutex());
  DIPTYCH_RETURN_IF_ERROR(environment_->EnsureOpen());
  const uint64_t wanted =
      std::min(2 * size_bytes(), environment_->options().map_bytes_max);
  while (environment_->map_bytes() < wanted) {
    DIPTYCH_RETURN_IF_ERROR(environment_->Grow());
  }
  return absl::OkStatus();
}

absl::Status LmdbRecordStore::Sync() {
  absl::MutexLock lock(&environment_->write_mutex());
  DIPTYCH_RETURN_IF_ERROR(environment_->EnsureWritable());
  return LmdbError(mdb_env_sync(environment_->env(), 1),
                   "cannot sync the store");
}

absl::Status LmdbRecordStore::Compact(absl::FunctionRef<absl::Status()> check) {
  Environment& environment = *environment_;
  const auto step = [&environment](absl::string_view name) {
    const auto& before_step = environment.options().before_step;
    return before_step ? before_step(name) : absl::OkStatus();
  };
  const std::filesystem::path directory = environment.directory();
  const std::filesystem::path beside = directory / kCompactionDirectory;
  absl::MutexLock lock(&environment.write_mutex());
  const auto remove_beside =
      absl::MakeCleanup([&beside] { RemoveTree(beside).IgnoreError(); });
  DIPTYCH_RETURN_IF_ERROR(environment.EnsureWritable());
  DIPTYCH_RETURN_IF_ERROR(step("make a store beside"));
  LmdbOptions options = environment.options();
  options.map_bytes = map_bytes();
  DIPTYCH_ASSIGN_OR_RETURN(auto fresh, Open(beside, options));
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, BeginRead());
    DIPTYCH_RETURN_IF_ERROR(step("copy the records"));
    DIPTYCH_RETURN_IF_ERROR(CopyRecords(*read, *fresh, check));
  }
  DIPTYCH_RETURN_IF_ERROR(step("put the new file in place"));
  DIPTYCH_RETURN_IF_ERROR(
      environment.ExchangeWith(*fresh->environment_, [&]() -> absl::Status {
        // The locks of the file that goes are of no more use, and those of the
        // new one must be found by other programs that open the store.
        std::error_code error;
        std::filesystem::rename(beside / kDataFile, directory / kDataFile,
                                error);
        if (error) {
          return FileError(error.value(), "cannot replace the store's file");
        }
        std::filesystem::rename(beside / kLockFile, directory / kLockFile,
                                error);
        return absl::OkStatus();
      }));
  absl::Status synced = step("sync the directory");
  if (synced.ok()) synced = SyncPath(directory);
  if (!synced.ok()) environment.OweDirectorySync();
  return synced;
}

uint64_t LmdbRecordStore::size_bytes() const {
  environment_->EnterRead();
  uint64_t bytes = 0;
  if (MDB_env* env = environment_->env(); env != nullptr) {
    MDB_envinfo information;
    MDB_stat statistics;
    mdb_env_info(env, &information);
    mdb_env_stat(env, &statistics);
    bytes = (information.me_last_pgno + 1) * uint64_t{statistics.ms_psize};
  }
  environment_->LeaveRead();
  return bytes;
}

uint64_t LmdbRecordStore::map_bytes() const {
  environment_->EnterRead();
  const uint64_t bytes =
      environment_->env() == nullptr ? 0 : environment_->map_bytes();
  environment_->LeaveRead();
  return bytes;
}

}  // namespace diptych::storage
