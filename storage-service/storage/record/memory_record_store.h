// A record store in memory, for tests.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Operation: every commit makes a new immutable version; reads hold the one
// they began with. Commits can be made to fail or to wait. Nothing outlives the
// object.
// Concurrency: as RecordStore.
// Limits: a commit copies the tables that it touched; for small data.
class MemoryRecordStore final : public RecordStore {
 public:
  // Called before each commit with its number, from 1; an error makes that
  // commit fail. May block. Failing commits are counted too.
  using CommitHook = std::function<absl::Status(int64_t number)>;

  MemoryRecordStore();
  ~MemoryRecordStore() override;

  absl::StatusOr<std::unique_ptr<ReadTransaction>> BeginRead() override;
  absl::Status RunWrite(
      absl::FunctionRef<absl::Status(WriteTransaction&)> write) override;
  uint64_t size_bytes() const override;
  absl::Status ReserveForLongRead() override { return absl::OkStatus(); }
  absl::Status Sync() override { return absl::OkStatus(); }
  // Nothing deleted is kept.
  absl::Status Compact(absl::FunctionRef<absl::Status()> check) override {
    return check();
  }

  void SetCommitHook(CommitHook hook);
  int64_t commits() const;

 private:
  using TableData = std::map<std::string, std::string, std::less<>>;
  using Version = std::array<std::shared_ptr<const TableData>, kTableCount>;
  class Read;
  class Write;
  class Cursor;

  std::shared_ptr<const Version> current() const;

  // Held by the one running write.
  absl::Mutex write_mutex_;
  mutable absl::Mutex mutex_ ABSL_ACQUIRED_AFTER(write_mutex_);
  std::shared_ptr<const Version> current_ ABSL_GUARDED_BY(mutex_);
  CommitHook hook_ ABSL_GUARDED_BY(mutex_);
  int64_t commits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::storage
