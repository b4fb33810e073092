// The way of one import's chunks: prepared at the same time, committed in
// order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/call_context.h"
#include "common/concurrency/executor.h"
#include "storage/engine/object_import.h"
#include "storage/service/import_budget.h"

namespace diptych::storage {

// A chunk that is durable and searchable, but for the objects that failed.
struct CommittedChunk {
  int64_t sequence_number = 0;
  size_t bytes = 0;
  // One per object, in order.
  std::vector<ImportOutcome> outcomes;
  // Positions of the objects that came without an id.
  std::vector<size_t> made_ids;
};

// Calls come one at a time, without locks; the last is OnEnded.
class ImportListener {
 public:
  virtual ~ImportListener() = default;
  // In the order of their numbers.
  virtual void OnCommitted(std::vector<CommittedChunk> chunks) = 0;
  virtual void OnEnded(absl::Status status) = 0;
};

// Operation: each chunk is converted and prepared as soon as it comes, so that
// the vectors of later chunks are made while earlier ones are committed. What
// is ready at the front is committed together. An error of the engine ends the
// import; what was committed before has been told.
//
// Concurrency: every method may be called from any thread, Add by one at a
// time. Work runs on the executor, at most two tasks of an import at once.
//
// Limits: those of `share`, which the caller keeps to by not adding; a commit
// takes 10,000 objects and 16 MiB, or one chunk.
class ImportPipeline : public std::enable_shared_from_this<ImportPipeline> {
 public:
  using Convert = absl::AnyInvocable<std::vector<ImportObject>() &&>;

  // `executor` outlives the import; `listener` lives until OnEnded has
  // returned. `share` is kept for as long as anything of the import is.
  static std::shared_ptr<ImportPipeline> Create(
      const CallContext& context, std::unique_ptr<ObjectImport> import,
      std::shared_ptr<ImportBudget::Share> share, Executor& executor,
      ImportListener& listener);

  // Takes a chunk and counts it in the share. Passed over after the end.
  void Add(int64_t sequence_number, size_t bytes, Convert convert)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing comes any more: ends with `status` when all is committed.
  void Finish(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // Drops what is not being committed, and ends with `status`.
  void Cancel(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Chunk {
    int64_t sequence_number = 0;
    size_t bytes = 0;
    // Until it is prepared.
    Convert convert;
    std::vector<size_t> made_ids;
    // Once it is prepared.
    std::unique_ptr<PreparedObjects> prepared;
  };

  ImportPipeline(const CallContext& context,
                 std::unique_ptr<ObjectImport> import,
                 std::shared_ptr<ImportBudget::Share> share, Executor& executor,
                 ImportListener& listener);

  void Schedule(void (ImportPipeline::*task)());
  // Converts and prepares the oldest chunk that is not.
  void PrepareNext() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnPrepared(const std::shared_ptr<Chunk>& chunk,
                  std::unique_ptr<PreparedObjects> prepared)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the caller shall schedule a commit.
  bool TakeCommit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CommitReady() ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells the listener, when the import has come to its end.
  void EndIfDone() ABSL_LOCKS_EXCLUDED(mutex_);

  const CallContext context_;
  const std::unique_ptr<ObjectImport> import_;
  const std::shared_ptr<ImportBudget::Share> share_;
  Executor& executor_;
  ImportListener& listener_;

  absl::Mutex mutex_;
  // Not committed, oldest first.
  std::deque<std::shared_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(mutex_);
  // Those of them that are not being prepared yet.
  std::deque<std::shared_ptr<Chunk>> unprepared_ ABSL_GUARDED_BY(mutex_);
  bool preparing_ ABSL_GUARDED_BY(mutex_) = false;
  bool committing_ ABSL_GUARDED_BY(mutex_) = false;
  // Finish or Cancel was called, or an error came.
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
