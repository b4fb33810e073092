// Sends the objects of a plan to the storage service.
//
// Operation: items are cut into chunks by count and bytes, which go through one
// import stream (ObjectService.ImportObjects), several ahead of the last
// acknowledgement. An object that cannot be read, or that the server refuses as
// INVALID_ARGUMENT, is skipped; any other error of an object ends the import.
// When the stream breaks with UNAVAILABLE, RESOURCE_EXHAUSTED or
// DEADLINE_EXCEEDED, it is opened again and goes on behind the last
// acknowledgement, after a delay that doubles, and never before the server's
// RetryInfo; attempts count anew when something was acknowledged meanwhile.
// Then, and for any other error, the import fails. What the server has
// acknowledged is appended to the journal.
//
// Concurrency: Run by one thread, once; Stop from any thread.
// Limits: holds max_in_flight chunks of at most batch_bytes_max each (a single
// larger object is a chunk of its own).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
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
  // Chunks that are sent and not acknowledged.
  int max_in_flight = 4;
  // Streams in a row without an acknowledgement.
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

// One call of ImportObjects, with the methods of gRPC's client: one thread
// writes, another reads, then calls Finish.
class ImportCall {
 public:
  virtual ~ImportCall() = default;
  virtual bool Write(const storage::v1::ImportObjectsRequest& request) = 0;
  virtual void WritesDone() = 0;
  virtual bool Read(storage::v1::ImportObjectsResponse& response) = 0;
  virtual absl::Status Finish() = 0;
};

class Importer {
 public:
  using OpenCall = std::function<std::unique_ptr<ImportCall>()>;

  // `journal` may be null. All outlive the importer.
  Importer(ImporterOptions options, OpenCall open, ImportJournal* journal,
           Clock& clock);

  // Sends all items, and returns when every chunk in flight is answered.
  // `progress` may be null; `skipped_before` is shown in it.
  ImportResult Run(const std::vector<ImportItem>& items, Progress* progress,
                   int64_t skipped_before) ABSL_LOCKS_EXCLUDED(mutex_);

  // Begins no further chunk and ends delays; chunks in flight go on.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A chunk and the items that its objects are made of.
  struct Batch {
    storage::v1::ImportObjectsRequest request;
    std::vector<const ImportItem*> items;
    // Positions of objects that the server has refused.
    std::set<int> refused;
    int64_t sequence_number() const {
      return request.chunk().sequence_number();
    }
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // One call from its header to its end.
  absl::Status RunCall() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteAll(ImportCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // The oldest batch that this call has not sent yet, which may be loaded for
  // it; null: there is none any more. Waits while too many are in flight.
  std::shared_ptr<const Batch> NextBatch(int64_t sequence_number)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<absl::Span<const ImportItem>> TakeItems()
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<Batch> Load(absl::Span<const ImportItem> items)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnResponse(const storage::v1::ImportObjectsResponse& response)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnError(const storage::v1::ImportError& error)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Before another call; false when the import ends meanwhile.
  bool Delay(const absl::Status& status, int attempt)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Acknowledge(const Batch& batch) ABSL_LOCKS_EXCLUDED(mutex_);
  void Skip(const ImportItem& item, std::string reason)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  ProgressState State() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ImporterOptions options_;
  const OpenCall open_;
  ImportJournal* const journal_;
  Clock& clock_;

  absl::Mutex mutex_;
  absl::Span<const ImportItem> remaining_ ABSL_GUARDED_BY(mutex_);
  // Not acknowledged, oldest first.
  std::deque<std::shared_ptr<Batch>> in_flight_ ABSL_GUARDED_BY(mutex_);
  int64_t next_sequence_number_ ABSL_GUARDED_BY(mutex_) = 1;
  int64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  // The call is over, whatever its writer has left to send.
  bool call_ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Set by Stop and Fail.
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;
  bool delayed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t total_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t skipped_before_ ABSL_GUARDED_BY(mutex_) = 0;
  ImportResult result_ ABSL_GUARDED_BY(mutex_);
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::cli
