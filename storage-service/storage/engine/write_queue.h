// Group commit: writes that come at the same time share one transaction and one
// fsync.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/call_context.h"
#include "common/time/clock.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

struct WriteQueueOptions {
  // Of one group; a single request may be larger.
  size_t group_requests_max = 1'000;
  size_t group_bytes_max = 64 << 20;
  // Waiting at one moment.
  size_t queued_requests_max = 4'096;
  size_t queued_bytes_max = 512 << 20;
};

// One request. All functions are called from one thread, which need not be the
// caller's; `prepare` and `write` may be called again, in a fresh transaction,
// and then start over.
struct QueuedWrite {
  // Size of what will be written, about.
  size_t bytes = 0;
  // Wants the transaction for itself, and all earlier writes applied.
  bool alone = false;
  // Looks and decides, without writing. An error fails this request only.
  std::function<absl::Status(WriteTransaction&)> prepare;
  // Writes what was decided. An error fails the whole group.
  std::function<absl::Status(WriteTransaction&)> write;
  // After the commit, in the order of commits.
  std::function<absl::Status()> apply;
};

// Operation: as LevelDB's writers (https://github.com/google/leveldb,
// DBImpl::Write): the first waiter leads. It takes those behind it into a
// group, runs each request's prepare and write in one transaction, commits,
// applies, and wakes them; the next waiter leads the next group. There is no
// thread of the queue's own.
// Concurrency: Run may be called from any thread; no thread may hold a read
// transaction of the store.
// Limits: WriteQueueOptions; beyond the queue's, RESOURCE_EXHAUSTED with
// RetryInfo.
class WriteQueue {
 public:
  // `store` and `clock` must outlive the queue. `published` is held exclusively
  // from before each commit until it is applied: who holds it shared sees the
  // store and what is derived from it at the same state.
  WriteQueue(RecordStore* store, absl::Mutex* published, Clock* clock,
             const WriteQueueOptions& options);

  // OK: durable and applied. DEADLINE_EXCEEDED, CANCELLED: not begun.
  absl::Status Run(const CallContext& context, const QueuedWrite& write);

  // Runs `work` while no write is under way. Writes that come meanwhile wait.
  // DEADLINE_EXCEEDED, CANCELLED: not begun. Else what `work` returns.
  absl::Status RunBetweenWrites(const CallContext& context,
                                absl::FunctionRef<absl::Status()> work);

  size_t queued() const;

 private:
  struct Waiter {
    const CallContext* context;
    const QueuedWrite* write;
    bool taken = false;
    bool done = false;
    absl::Status status;
  };

  std::vector<Waiter*> TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Commit(const std::vector<Waiter*>& group) ABSL_LOCKS_EXCLUDED(mutex_);

  RecordStore* const store_;
  absl::Mutex* const published_;
  Clock* const clock_;
  const WriteQueueOptions options_;

  mutable absl::Mutex mutex_;
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::storage
