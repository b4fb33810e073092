#include "storage/service/import_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/status_conversion.h"
#include "common/rpc/unary_call.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/service/object_conversion.h"

namespace diptych::storage {
namespace {

// Below gRPC's default of 4 MiB at the client, with the last error on top.
constexpr size_t kAnswerBytesMax = 1 << 20;

constexpr MetricDescription kObjects = {"diptych_import_objects_total",
                                        "Objects that imports brought"};

absl::Status Stopping() {
  return WithRetryAfter(
      absl::UnavailableError("the server is stopping; go on behind the last "
                             "acknowledged chunk when it is back"),
      absl::Seconds(1));
}

absl::Status Cancelled() {
  return absl::CancelledError("the client cancelled the import or went away");
}

std::vector<ImportObject> ConvertObjects(const v1::ImportChunk& chunk) {
  std::vector<ImportObject> objects(chunk.objects_size());
  for (int i = 0; i < chunk.objects_size(); ++i) {
    FieldViolations violations;
    objects[i].index = static_cast<size_t>(i);
    objects[i].write = ObjectFromProto(
        chunk.objects(i), absl::StrCat("objects[", i, "]"), violations);
    objects[i].status = violations.ToStatus();
  }
  return objects;
}

}  // namespace

ImportStreams::ImportStreams(const ServiceEnvironment& environment)
    : environment_(environment),
      method_metrics_(environment.metrics, "ObjectService/ImportObjects"),
      written_(
          environment.metrics.AddCounter(kObjects, {{"result", "written"}})),
      existing_(
          environment.metrics.AddCounter(kObjects, {{"result", "existing"}})),
      failed_(environment.metrics.AddCounter(kObjects, {{"result", "failed"}})),
      budget_(ImportBudget::Create(environment.engine.limits(),
                                   environment.metrics)) {}

grpc::ServerBidiReactor<v1::ImportObjectsRequest, v1::ImportObjectsResponse>*
ImportStreams::Open(const grpc::CallbackServerContext& context) {
  auto stream =
      std::make_shared<ImportStream>(*this, environment_, DeadlineOf(context));
  method_metrics_.Started();
  bool stopping = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    stopping = stopping_;
  }
  if (stopping) {
    stream->Begin(Stopping());
  } else {
    stream->Begin(budget_->Open());
  }
  return stream.get();
}

void ImportStreams::Stop() {
  std::set<std::shared_ptr<ImportStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    streams = streams_;
  }
  for (const auto& stream : streams) stream->Stop(Stopping());
}

void ImportStreams::Remove(ImportStream* stream) {
  // Destroyed outside the lock.
  std::shared_ptr<ImportStream> removed = stream->shared_from_this();
  absl::MutexLock lock(&mutex_);
  streams_.erase(removed);
}

ImportStream::ImportStream(ImportStreams& streams,
                           const ServiceEnvironment& environment,
                           absl::Time deadline)
    : streams_(streams),
      environment_(environment),
      started_(Clock::System().Now()),
      cancellation_(std::make_shared<Cancellation>()),
      call_{deadline, cancellation_} {}

void ImportStream::Begin(
    absl::StatusOr<std::shared_ptr<ImportBudget::Share>> share) {
  if (!share.ok()) {
    End(share.status());
    return;
  }
  share_ = *std::move(share);
  Read();
}

bool ImportStream::BeginInitiation() {
  if (finished_) return false;
  ++initiations_;
  return true;
}

void ImportStream::EndInitiation() {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    --initiations_;
    if (!ended_ || finished_ || initiations_ > 0 || !answers_.empty()) return;
    finished_ = true;
    status = status_;
  }
  // A client that knows of the end may begin another import at once.
  if (share_ != nullptr) share_->Close();
  // OnDone may come before this returns: nothing is touched any more.
  Finish(ToGrpcStatus(status));
}

void ImportStream::Read() {
  {
    absl::MutexLock lock(&mutex_);
    if (reads_done_ || ended_ || !BeginInitiation()) return;
  }
  StartRead(&request_);
  EndInitiation();
}

void ImportStream::ReadWhenRoom() {
  // Not the stream itself, which holds the share that holds this.
  const bool room = share_->AwaitRoom([stream = weak_from_this()] {
    if (const auto self = stream.lock()) self->Read();
  });
  if (room) Read();
}

void ImportStream::OnReadDone(bool ok) {
  {
    // Nothing to do for a call that is ending.
    absl::MutexLock lock(&mutex_);
    if (reads_done_) return;
  }
  if (!ok) {
    End(header_read_ ? absl::OkStatus()
                     : InvalidField("header",
                                    "is missing; send it as the first "
                                    "message"));
    return;
  }
  if (header_read_) {
    TakeChunk();
    return;
  }
  header_read_ = true;
  if (!request_.has_header()) {
    End(InvalidField("header", "is missing; send it as the first message"));
    return;
  }
  const bool taken = environment_.imports.TrySchedule(
      [self = shared_from_this(), header = request_.header()] {
        self->OpenImport(header);
      });
  if (!taken) {
    End(WithRetryAfter(
        absl::ResourceExhaustedError(
            "the server has as many calls waiting as it allows; try again "
            "later"),
        absl::Seconds(1)));
  }
}

void ImportStream::OpenImport(const v1::ImportHeader& header) {
  WriteMode mode = WriteMode::kUpsert;
  if (header.mode() == v1::IMPORT_MODE_INSERT) {
    mode = WriteMode::kInsert;
  } else if (header.mode() != v1::IMPORT_MODE_UNSPECIFIED &&
             header.mode() != v1::IMPORT_MODE_UPSERT) {
    End(InvalidField("header.mode", absl::StrCat("is ", header.mode(),
                                                 "; give one of ImportMode")));
    return;
  }
  auto import =
      environment_.engine.OpenImport(call_, header.collection(), mode);
  if (!import.ok()) {
    End(import.status());
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    pipeline_ = ImportPipeline::Create(call_, *std::move(import), share_,
                                       environment_.imports, *this);
    if (reads_done_) return;
  }
  Read();
}

absl::Status ImportStream::CheckChunk(
    const v1::ImportObjectsRequest& request) const {
  DIPTYCH_RETURN_IF_ERROR(environment_.AdmitMemory());
  if (!request.has_chunk()) {
    return InvalidField("chunk",
                        "is missing; after the header every message has one");
  }
  const v1::ImportChunk& chunk = request.chunk();
  FieldViolations violations;
  const std::string expected =
      next_sequence_number_ == 0 ? "1 or more, one behind the last acknowledged"
                                 : absl::StrCat(next_sequence_number_);
  if (chunk.sequence_number() < 1 ||
      (next_sequence_number_ != 0 &&
       chunk.sequence_number() != next_sequence_number_)) {
    violations.Add(
        "chunk.sequence_number",
        absl::StrCat("is ", chunk.sequence_number(), "; give ", expected));
  }
  const size_t most = environment_.engine.limits().objects_per_batch_max;
  if (chunk.objects().empty() ||
      static_cast<size_t>(chunk.objects_size()) > most) {
    violations.Add(
        "chunk.objects",
        absl::StrCat("has ", chunk.objects_size(), " members in chunk ",
                     chunk.sequence_number(), "; give 1 to ", most));
  }
  return violations.ToStatus();
}

void ImportStream::TakeChunk() {
  if (absl::Status status = CheckChunk(request_); !status.ok()) {
    End(std::move(status));
    return;
  }
  std::shared_ptr<ImportPipeline> pipeline;
  {
    absl::MutexLock lock(&mutex_);
    if (reads_done_) return;
    pipeline = pipeline_;
  }
  const int64_t sequence_number = request_.chunk().sequence_number();
  if (next_sequence_number_ == 0) committed_ = sequence_number - 1;
  next_sequence_number_ = sequence_number + 1;
  const size_t bytes = request_.ByteSizeLong();
  auto chunk = std::make_unique<v1::ImportChunk>();
  chunk->Swap(request_.mutable_chunk());
  pipeline->Add(sequence_number, bytes,
                [chunk = std::move(chunk)] { return ConvertObjects(*chunk); });
  ReadWhenRoom();
}

void ImportStream::AppendAnswers(CommittedChunk chunk,
                                 std::vector<Answer>& answers) {
  const auto answer = [&]() -> v1::ImportObjectsResponse& {
    if (answers.empty() ||
        answers.back().response.ByteSizeLong() >= kAnswerBytesMax) {
      answers.emplace_back();
      answers.back().response.set_committed_sequence_number(committed_);
    }
    answers.back().response.set_written_count(written_count_);
    return answers.back().response;
  };
  auto made = chunk.made_ids.begin();
  // Asking for a message's size costs as much as the message is long.
  size_t until_check = 0;
  v1::ImportObjectsResponse* response = &answer();
  for (size_t i = 0; i < chunk.outcomes.size(); ++i, ++until_check) {
    if (until_check == 64) {
      until_check = 0;
      response = &answer();
    }
    const ImportOutcome& object = chunk.outcomes[i];
    const bool id_made = made != chunk.made_ids.end() && *made == i;
    if (id_made) ++made;
    if (!object.outcome.ok()) {
      streams_.failed_.Increment();
      v1::ImportError& error = *response->add_errors();
      error.set_sequence_number(chunk.sequence_number);
      error.set_index(static_cast<int32_t>(i));
      if (!id_made) error.set_id(object.id);
      *error.mutable_status() = ToStatusProto(object.outcome.status());
      continue;
    }
    if (*object.outcome == WriteOutcome::kKept) {
      streams_.existing_.Increment();
      response->add_existing_ids(object.id);
      continue;
    }
    streams_.written_.Increment();
    ++written_count_;
    if (!id_made) continue;
    v1::ImportedId& id = *response->add_made_ids();
    id.set_sequence_number(chunk.sequence_number);
    id.set_index(static_cast<int32_t>(i));
    id.set_id(object.id);
  }
  committed_ = chunk.sequence_number;
  response->set_committed_sequence_number(committed_);
  response->set_written_count(written_count_);
  answers.back().chunks += 1;
  answers.back().bytes += chunk.bytes;
}

void ImportStream::OnCommitted(std::vector<CommittedChunk> chunks) {
  std::vector<Answer> answers;
  for (CommittedChunk& chunk : chunks) {
    AppendAnswers(std::move(chunk), answers);
  }
  {
    absl::MutexLock lock(&mutex_);
    for (Answer& answer : answers) {
      // Joined with one that waits, unless that is gRPC's.
      Answer* const last =
          answers_.size() > (writing_ ? 1u : 0u) ? &answers_.back() : nullptr;
      if (last == nullptr || last->response.ByteSizeLong() >= kAnswerBytesMax ||
          answer.response.ByteSizeLong() >= kAnswerBytesMax) {
        answers_.push_back(std::move(answer));
        continue;
      }
      // Numbers are overwritten by the later ones, lists are joined.
      last->response.MergeFrom(answer.response);
      last->chunks += answer.chunks;
      last->bytes += answer.bytes;
    }
  }
  WriteNext();
}

void ImportStream::WriteNext() {
  const v1::ImportObjectsResponse* response = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (writing_ || answers_.empty() || !BeginInitiation()) return;
    writing_ = true;
    response = &answers_.front().response;
  }
  StartWrite(response);
  EndInitiation();
}

void ImportStream::OnWriteDone(bool ok) {
  size_t chunks = 0, bytes = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!BeginInitiation()) return;
    // Not OK: the client is gone, and nobody reads the other answers.
    do {
      chunks += answers_.front().chunks;
      bytes += answers_.front().bytes;
      answers_.pop_front();
    } while (!ok && !answers_.empty());
    writing_ = false;
  }
  share_->Return(chunks, bytes);
  WriteNext();
  EndInitiation();
}

void ImportStream::OnCancel() {
  const std::shared_ptr<ImportStream> self = shared_from_this();
  cancellation_->Cancel();
  std::shared_ptr<ImportPipeline> pipeline;
  {
    absl::MutexLock lock(&mutex_);
    reads_done_ = true;
    pipeline = pipeline_;
  }
  if (pipeline != nullptr) {
    pipeline->Cancel(Cancelled());
  } else {
    End(Cancelled());
  }
}

void ImportStream::Stop(absl::Status status) { End(std::move(status)); }

void ImportStream::End(absl::Status status) {
  std::shared_ptr<ImportPipeline> pipeline;
  {
    absl::MutexLock lock(&mutex_);
    reads_done_ = true;
    pipeline = pipeline_;
  }
  if (pipeline != nullptr) {
    pipeline->Finish(std::move(status));
  } else {
    OnEnded(std::move(status));
  }
}

void ImportStream::OnEnded(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || !BeginInitiation()) return;
    ended_ = true;
    reads_done_ = true;
    status_ = std::move(status);
    // What a client that is gone would have been told.
    if (cancellation_->cancelled()) {
      answers_.resize(writing_ ? 1 : 0);
    }
  }
  EndInitiation();
}

void ImportStream::OnDone() {
  absl::StatusCode code = absl::StatusCode::kOk;
  {
    absl::MutexLock lock(&mutex_);
    code = cancellation_->cancelled() ? absl::StatusCode::kCancelled
                                      : status_.code();
  }
  streams_.method_metrics_.Finished(code, Clock::System().Now() - started_);
  streams_.Remove(this);
}

}  // namespace diptych::storage
