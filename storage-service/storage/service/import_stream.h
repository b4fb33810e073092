// Calls of ObjectService.ImportObjects.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "common/rpc/rpc_metrics.h"
#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "storage/service/import_budget.h"
#include "storage/service/import_pipeline.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

class ImportStream;

// What the imports of a server share.
//
// Operation: Stop ends all imports, present and coming, with UNAVAILABLE and
// RetryInfo, when what they have received is committed and acknowledged.
// Concurrency: every method may be called from any thread.
// Limits: those of imports in Limits.
class ImportStreams {
 public:
  // What `environment` refers to outlives the imports.
  explicit ImportStreams(const ServiceEnvironment& environment);

  grpc::ServerBidiReactor<v1::ImportObjectsRequest, v1::ImportObjectsResponse>*
  Open(const grpc::CallbackServerContext& context) ABSL_LOCKS_EXCLUDED(mutex_);

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class ImportStream;
  void Remove(ImportStream* stream) ABSL_LOCKS_EXCLUDED(mutex_);

  const ServiceEnvironment environment_;
  MethodMetrics method_metrics_;
  Counter& written_;
  Counter& existing_;
  Counter& failed_;
  const std::shared_ptr<ImportBudget> budget_;

  absl::Mutex mutex_;
  std::set<std::shared_ptr<ImportStream>> streams_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// One call.
//
// Operation: reads the header, then chunk after chunk for as long as its share
// of the budget has room, which a chunk leaves when its acknowledgement is
// written: a client that reads no acknowledgements is not read from either.
// Acknowledgements that wait for the one before are joined. Half-close, a chunk
// that cannot be taken and Stop let what was received be committed and
// acknowledged, then end the call; cancelling drops what is not committed.
//
// Concurrency: gRPC calls the reactions on its threads, which never block; the
// pipeline calls on the executor's. The state is guarded by one lock, and gRPC
// is called outside it; the call is finished by whoever ends the last
// initiation, so that none comes behind it.
//
// Limits: answers are cut near a mebibyte, so that clients with gRPC's default
// of 4 MiB take them.
class ImportStream final
    : public grpc::ServerBidiReactor<v1::ImportObjectsRequest,
                                     v1::ImportObjectsResponse>,
      public ImportListener,
      public std::enable_shared_from_this<ImportStream> {
 public:
  ImportStream(ImportStreams& streams, const ServiceEnvironment& environment,
               absl::Time deadline);

  // Called once, when `streams` holds it.
  void Begin(absl::StatusOr<std::shared_ptr<ImportBudget::Share>> share);
  // Ends with `status` once what was received is acknowledged.
  void Stop(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // An answer, and what of the share it gives back.
  struct Answer {
    v1::ImportObjectsResponse response;
    size_t chunks = 0;
    size_t bytes = 0;
  };

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void OnCommitted(std::vector<CommittedChunk> chunks) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnEnded(absl::Status status) override ABSL_LOCKS_EXCLUDED(mutex_);

  // On the executor: finds the collection and begins the pipeline.
  void OpenImport(const v1::ImportHeader& header) ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeChunk() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckChunk(const v1::ImportObjectsRequest& request) const;
  void AppendAnswers(CommittedChunk chunk, std::vector<Answer>& answers);
  // Reads on, now or when the share has room.
  void ReadWhenRoom() ABSL_LOCKS_EXCLUDED(mutex_);
  void Read() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteNext() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call: through the pipeline, when there is one.
  void End(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Every start of an operation lies between the two; false: too late.
  bool BeginInitiation() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndInitiation() ABSL_LOCKS_EXCLUDED(mutex_);

  ImportStreams& streams_;
  const ServiceEnvironment& environment_;
  const absl::Time started_;
  const std::shared_ptr<Cancellation> cancellation_;
  const CallContext call_;
  std::shared_ptr<ImportBudget::Share> share_;
  // gRPC's while a read is outstanding.
  v1::ImportObjectsRequest request_;
  // Of the chunks, one reaction at a time.
  bool header_read_ = false;
  int64_t next_sequence_number_ = 0;  // 0: any
  // Of the pipeline's calls, which come one at a time.
  int64_t committed_ = 0;
  int64_t written_count_ = 0;

  absl::Mutex mutex_;
  // Null until the header is taken.
  std::shared_ptr<ImportPipeline> pipeline_ ABSL_GUARDED_BY(mutex_);
  // The first is gRPC's while a write is outstanding.
  std::deque<Answer> answers_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // No more is read.
  bool reads_done_ ABSL_GUARDED_BY(mutex_) = false;
  // The pipeline has ended, or there will be none.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int initiations_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
