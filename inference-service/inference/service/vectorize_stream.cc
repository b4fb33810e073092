#include "inference/service/vectorize_stream.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/rpc/status_conversion.h"
#include "inference/service/proto_conversion.h"

namespace diptych::inference {

VectorizeStream::VectorizeStream(const ModelSet& models, absl::Time deadline,
                                 int inputs_max, MethodMetrics& metrics)
    : models_(models),
      inputs_max_(inputs_max),
      metrics_(metrics),
      started_(absl::Now()),
      cancellation_(std::make_shared<Cancellation>()),
      call_{deadline, cancellation_} {
  metrics_.Started();
}

bool VectorizeStream::TakeRead() {
  if (!read_wanted_ || reads_done_ || in_flight_ >= inputs_max_) return false;
  read_wanted_ = false;
  return true;
}

bool VectorizeStream::TakeFinish() {
  if (!reads_done_ || in_flight_ > 0 || finished_) return false;
  finished_ = true;
  return true;
}

void VectorizeStream::OnReadDone(bool ok) {
  absl::Status status;
  if (ok && pipeline_ == nullptr) {
    const auto pipeline = models_.Find(request_.model());
    if (pipeline.ok()) {
      pipeline_ = *pipeline;
    } else {
      status = pipeline.status();
    }
  }
  if (!ok || !status.ok()) {
    {
      absl::MutexLock lock(&mutex_);
      reads_done_ = true;
      if (status_.ok()) status_ = status;
      if (!TakeFinish()) return;
      status = status_;
    }
    Finish(ToGrpcStatus(status));
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    ++in_flight_;
  }
  // Owned by the callback below, because the next read overwrites request_.
  auto message = std::make_unique<v1::VectorizeStreamRequest>();
  message->Swap(&request_);
  PipelineInput input = ToPipelineInput(message->input(), "input");
  pipeline_->VectorizeWhenRoom(
      std::move(input), call_, [this] { OnAdmitted(); },
      [this, message = std::move(message)](
          absl::StatusOr<std::vector<PipelineOutput>> outputs) {
        OnResult(message->sequence_number(), std::move(outputs));
      });
}

void VectorizeStream::OnAdmitted() {
  {
    absl::MutexLock lock(&mutex_);
    read_wanted_ = true;
    if (!TakeRead()) return;
  }
  StartRead(&request_);
}

void VectorizeStream::OnResult(
    int64_t sequence_number,
    absl::StatusOr<std::vector<PipelineOutput>> outputs) {
  v1::VectorizeStreamResponse response;
  response.set_sequence_number(sequence_number);
  if (outputs.ok()) {
    FillEmbedding(outputs->front(), *response.mutable_embedding());
  } else {
    *response.mutable_error() = ToStatusProto(outputs.status());
  }
  const v1::VectorizeStreamResponse* next = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (!answered_) {
      answered_ = true;
      response.set_model(pipeline_->info().name);
      response.set_fingerprint(pipeline_->info().fingerprint);
    }
    responses_.push_back(std::move(response));
    if (writing_) return;
    writing_ = true;
    next = &responses_.front();
  }
  StartWrite(next);
}

void VectorizeStream::OnWriteDone(bool ok) {
  const v1::VectorizeStreamResponse* next = nullptr;
  bool read = false;
  bool finish = false;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    responses_.pop_front();
    --in_flight_;
    if (!ok) {
      // The client is gone: nobody reads the other answers.
      in_flight_ -= static_cast<int>(responses_.size());
      responses_.clear();
    }
    writing_ = !responses_.empty();
    if (writing_) next = &responses_.front();
    read = TakeRead();
    finish = TakeFinish();
    status = status_;
  }
  if (next != nullptr) StartWrite(next);
  if (read) StartRead(&request_);
  if (finish) Finish(ToGrpcStatus(status));
}

void VectorizeStream::OnDone() {
  absl::StatusCode code = absl::StatusCode::kOk;
  {
    absl::MutexLock lock(&mutex_);
    code = cancellation_->cancelled() ? absl::StatusCode::kCancelled
                                      : status_.code();
  }
  metrics_.Finished(code, absl::Now() - started_);
  delete this;
}

}  // namespace diptych::inference
