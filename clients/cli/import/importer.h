// Sends the objects of a plan to the storage service.
//
// Operation: items are cut into batches by count and bytes; several batches are
// read and sent at once by threads of their own. An object that cannot be read,
// or that the server names in an INVALID_ARGUMENT ("objects[3]..."), is skipped
// and the rest of its batch is sent again; when the server names none, the
// batch is halved until the bad object stands alone. UNAVAILABLE,
// RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED are tried again with a delay that
// doubles, and never before the server's RetryInfo; then, and for any other
// error, the import fails. What the server has acknowledged is appended to the
// journal.
//
// Concurrency: Run by one thread, once; Stop from any thread.
// Limits: holds max_in_flight batches of at most batch_bytes_max each (a single
// larger object is a batch of its own).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "cli/import/import_journal.h"
#include "cli/import/import_plan.h"
#include "cli/terminal/progress.h"
#include "common/time/clock.h"
#include "diptych/storage/v1/object_service.pb.h"

namespace diptych::cli {

struct ImporterOptions {
  std::string collection;
  int batch_objects_max = 64;
  int64_t batch_bytes_max = int64_t{24} << 20;
  int max_in_flight = 4;
  // Per batch, the first try included.
  int attempts_max = 8;
  absl::Duration backoff_initial = absl::Milliseconds(500);
  absl::Duration backoff_max = absl::Seconds(30);
};

struct ImportResult {
  int64_t imported = 0;
  std::vector<SkippedFile> skipped;
  // Whether Stop ended it before everything was sent.
  bool stopped = false;
  // Why it ended before its time; OK otherwise.
  absl::Status status;
};

class Importer {
 public:
  // Sends one batch and waits for its answer; called by several threads.
  using Upsert =
      std::function<absl::Status(const storage::v1::UpsertObjectsRequest&)>;

  // `journal` may be null. All outlive the importer.
  Importer(ImporterOptions options, Upsert upsert, ImportJournal* journal,
           Clock& clock);

  // Sends all items, and returns when every batch in flight is answered.
  // `progress` may be null; `skipped_before` is shown in it.
  ImportResult Run(const std::vector<ImportItem>& items, Progress* progress,
                   int64_t skipped_before) ABSL_LOCKS_EXCLUDED(mutex_);

  // Begins no further batch and ends delays; batches in flight go on.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Objects of a request and the items that they are made of.
  struct Batch {
    storage::v1::UpsertObjectsRequest request;
    std::vector<const ImportItem*> items;
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<absl::Span<const ImportItem>> TakeItems()
      ABSL_LOCKS_EXCLUDED(mutex_);
  Batch Load(absl::Span<const ImportItem> items) ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(Batch batch) ABSL_LOCKS_EXCLUDED(mutex_);
  // Removes from `batch` what `status` names; false when it names nothing.
  bool DropNamed(const absl::Status& status, Batch& batch)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Before attempt `attempt` + 1; false when the import ends meanwhile.
  bool Delay(const absl::Status& status, int attempt)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Acknowledge(const Batch& batch) ABSL_LOCKS_EXCLUDED(mutex_);
  void Skip(const ImportItem& item, std::string reason)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  ProgressState State() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ImporterOptions options_;
  const Upsert upsert_;
  ImportJournal* const journal_;
  Clock& clock_;

  absl::Mutex mutex_;
  absl::Span<const ImportItem> remaining_ ABSL_GUARDED_BY(mutex_);
  // Set by Stop and Fail.
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_asked_ ABSL_GUARDED_BY(mutex_) = false;
  int working_ ABSL_GUARDED_BY(mutex_) = 0;
  int delayed_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t total_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t skipped_before_ ABSL_GUARDED_BY(mutex_) = 0;
  ImportResult result_ ABSL_GUARDED_BY(mutex_);
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::cli
