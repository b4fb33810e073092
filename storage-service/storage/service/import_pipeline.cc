#include "storage/service/import_pipeline.h"

#include <utility>

#include "absl/time/time.h"
#include "common/status/error_details.h"

namespace diptych::storage {
namespace {

constexpr size_t kCommitObjectsMax = 10'000;
constexpr size_t kCommitBytesMax = 16 << 20;

}  // namespace

std::shared_ptr<ImportPipeline> ImportPipeline::Create(
    const CallContext& context, std::unique_ptr<ObjectImport> import,
    std::shared_ptr<ImportBudget::Share> share, Executor& executor,
    ImportListener& listener) {
  return std::shared_ptr<ImportPipeline>(new ImportPipeline(
      context, std::move(import), std::move(share), executor, listener));
}

ImportPipeline::ImportPipeline(const CallContext& context,
                               std::unique_ptr<ObjectImport> import,
                               std::shared_ptr<ImportBudget::Share> share,
                               Executor& executor, ImportListener& listener)
    : context_(context),
      import_(std::move(import)),
      share_(std::move(share)),
      executor_(executor),
      listener_(listener) {}

void ImportPipeline::Schedule(void (ImportPipeline::*task)()) {
  if (executor_.TrySchedule(
          [self = shared_from_this(), task] { (self.get()->*task)(); })) {
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    (task == &ImportPipeline::PrepareNext ? preparing_ : committing_) = false;
  }
  Cancel(WithRetryAfter(
      absl::ResourceExhaustedError(
          "the server has as many calls waiting as it allows; go on behind "
          "the last acknowledged chunk, later"),
      absl::Seconds(1)));
}

void ImportPipeline::Add(int64_t sequence_number, size_t bytes,
                         Convert convert) {
  auto chunk = std::make_shared<Chunk>();
  chunk->sequence_number = sequence_number;
  chunk->bytes = bytes;
  chunk->convert = std::move(convert);
  {
    absl::MutexLock lock(&mutex_);
    if (finishing_) return;
    share_->Take(bytes);
    chunks_.push_back(chunk);
    unprepared_.push_back(std::move(chunk));
    if (preparing_) return;
    preparing_ = true;
  }
  Schedule(&ImportPipeline::PrepareNext);
}

void ImportPipeline::PrepareNext() {
  std::shared_ptr<Chunk> chunk;
  {
    absl::MutexLock lock(&mutex_);
    if (unprepared_.empty()) {
      preparing_ = false;
      return;
    }
    chunk = std::move(unprepared_.front());
    unprepared_.pop_front();
  }
  std::vector<ImportObject> objects = std::move(chunk->convert)();
  chunk->convert = nullptr;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].write.id.empty()) chunk->made_ids.push_back(i);
  }
  const absl::Status status =
      import_->Prepare(context_, std::move(objects),
                       [self = shared_from_this(),
                        chunk](std::unique_ptr<PreparedObjects> prepared) {
                         self->OnPrepared(chunk, std::move(prepared));
                       });
  bool more = false;
  {
    absl::MutexLock lock(&mutex_);
    more = status.ok() && !unprepared_.empty();
    preparing_ = more;
  }
  if (!status.ok()) {
    Cancel(status);
  } else if (more) {
    // Behind the other imports' tasks.
    Schedule(&ImportPipeline::PrepareNext);
  }
}

void ImportPipeline::OnPrepared(const std::shared_ptr<Chunk>& chunk,
                                std::unique_ptr<PreparedObjects> prepared) {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    chunk->prepared = std::move(prepared);
    if (!TakeCommit()) return;
  }
  Schedule(&ImportPipeline::CommitReady);
}

bool ImportPipeline::TakeCommit() {
  if (committing_ || chunks_.empty() || chunks_.front()->prepared == nullptr) {
    return false;
  }
  committing_ = true;
  return true;
}

void ImportPipeline::CommitReady() {
  std::vector<std::shared_ptr<Chunk>> taken;
  std::vector<std::unique_ptr<PreparedObjects>> prepared;
  {
    absl::MutexLock lock(&mutex_);
    size_t objects = 0, bytes = 0;
    while (!chunks_.empty() && chunks_.front()->prepared != nullptr) {
      const PreparedObjects& next = *chunks_.front()->prepared;
      objects += next.size();
      bytes += next.bytes();
      if (!taken.empty() &&
          (objects > kCommitObjectsMax || bytes > kCommitBytesMax)) {
        break;
      }
      taken.push_back(std::move(chunks_.front()));
      chunks_.pop_front();
      prepared.push_back(std::move(taken.back()->prepared));
    }
  }
  absl::Status failed;
  if (!taken.empty()) {
    std::vector<size_t> sizes;
    for (const auto& objects : prepared) sizes.push_back(objects->size());
    auto outcomes = import_->Commit(context_, std::move(prepared));
    failed = outcomes.status();
    if (outcomes.ok()) {
      std::vector<CommittedChunk> committed;
      auto next = std::make_move_iterator(outcomes->begin());
      for (size_t i = 0; i < taken.size(); ++i) {
        committed.push_back({taken[i]->sequence_number,
                             taken[i]->bytes,
                             {next, next + static_cast<ptrdiff_t>(sizes[i])},
                             std::move(taken[i]->made_ids)});
        next += static_cast<ptrdiff_t>(sizes[i]);
      }
      listener_.OnCommitted(std::move(committed));
    }
  }
  bool more = false;
  {
    absl::MutexLock lock(&mutex_);
    committing_ = false;
    if (failed.ok()) more = TakeCommit();
  }
  if (!failed.ok()) {
    Cancel(failed);
  } else if (more) {
    Schedule(&ImportPipeline::CommitReady);
  } else {
    EndIfDone();
  }
}

void ImportPipeline::Finish(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (finishing_) return;
    finishing_ = true;
    status_ = std::move(status);
  }
  EndIfDone();
}

void ImportPipeline::Cancel(absl::Status status) {
  std::deque<std::shared_ptr<Chunk>> dropped, unprepared;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    // An end that was announced gives way to what went wrong on the way.
    if (!finishing_ || !status.ok()) status_ = std::move(status);
    finishing_ = true;
    dropped.swap(chunks_);
    unprepared.swap(unprepared_);
  }
  EndIfDone();
}

void ImportPipeline::EndIfDone() {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (!finishing_ || ended_ || committing_ || !chunks_.empty()) return;
    ended_ = true;
    status = status_;
  }
  listener_.OnEnded(std::move(status));
}

}  // namespace diptych::storage
