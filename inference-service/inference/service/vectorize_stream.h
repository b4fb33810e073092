// One call of VectorizeStream.
//
// Operation: reads an input, waits until it has a place in the model's queue,
// then reads the next, as long as fewer than `inputs_max` are in flight (read
// and not yet answered). Answers are written one at a time in the order in
// which they are ready. Half-close lets what is in flight be answered, then
// ends the call; cancelling drops it.
//
// Concurrency: gRPC calls the reactions on its threads, pipelines their
// callbacks on theirs. The state is guarded by one lock, and gRPC is only
// called outside it, because the call may end, and this object go, as soon as
// the last operation is started. The object lives until no input is in flight:
// only reactions end the call. Limits: inputs_max messages of at most the
// server's message size.
#pragma once

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "common/rpc/rpc_metrics.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"
#include "inference/pipeline/model_set.h"

namespace diptych::inference {

class VectorizeStream final
    : public grpc::ServerBidiReactor<v1::VectorizeStreamRequest,
                                     v1::VectorizeStreamResponse> {
 public:
  // The referenced objects outlive the call. Deletes itself in OnDone.
  VectorizeStream(const ModelSet& models, absl::Time deadline, int inputs_max,
                  MethodMetrics& metrics);

  // Starts to read. Called once.
  void Begin() { StartRead(&request_); }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override {
    // A reference of its own, as in UnaryCall.
    const std::shared_ptr<Cancellation> cancellation = cancellation_;
    cancellation->Cancel();
  }
  void OnDone() override;

  // The input has a place in the queue.
  void OnAdmitted();
  void OnResult(int64_t sequence_number,
                absl::StatusOr<std::vector<PipelineOutput>> outputs);
  // Whether the caller shall start a read now, outside the lock.
  bool TakeRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the caller shall finish the call now, outside the lock.
  bool TakeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ModelSet& models_;
  const int inputs_max_;
  MethodMetrics& metrics_;
  const absl::Time started_;
  const std::shared_ptr<Cancellation> cancellation_;
  const CallContext call_;
  // gRPC's while a read is outstanding.
  v1::VectorizeStreamRequest request_;
  // Null until the first message. Used by OnReadDone only.
  std::shared_ptr<ModelPipeline> pipeline_;

  absl::Mutex mutex_;
  // Answers to write; the first is gRPC's while a write is outstanding.
  std::deque<v1::VectorizeStreamResponse> responses_ ABSL_GUARDED_BY(mutex_);
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // An input was admitted, and the next read waits for in_flight_ to fall.
  bool read_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool reads_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::inference
