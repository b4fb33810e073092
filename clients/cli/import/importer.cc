#include "cli/import/importer.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/import/object_loader.h"
#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"

namespace diptych::cli {
namespace {

using storage::v1::ImportObjectsResponse;

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// What is wrong with an object, without its position in the chunk:
// `properties["year"] is NaN`.
std::string ReasonFor(const absl::Status& status) {
  std::string reason;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    absl::string_view field = violation.field;
    if (absl::StartsWith(field, "objects[")) {
      field.remove_prefix(std::min(field.size(), field.find(']') + 1));
      absl::ConsumePrefix(&field, ".");
    }
    absl::StrAppend(&reason, reason.empty() ? "" : "; ", field,
                    field.empty() ? "" : " ", violation.description);
  }
  return reason.empty() ? std::string(status.message()) : reason;
}

}  // namespace

Importer::Importer(ImporterOptions options, OpenCall open,
                   ImportJournal* journal, Clock& clock)
    : options_(std::move(options)),
      open_(std::move(open)),
      journal_(journal),
      clock_(clock) {}

ImportResult Importer::Run(const std::vector<ImportItem>& items,
                           Progress* progress, int64_t skipped_before) {
  {
    absl::MutexLock lock(&mutex_);
    remaining_ = items;
    total_ = static_cast<int64_t>(items.size());
    skipped_before_ = skipped_before;
    working_ = true;
    if (progress != nullptr) progress->Update(State());
  }
  std::thread worker([this] { Work(); });
  if (progress != nullptr) {
    absl::MutexLock lock(&mutex_);
    const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !working_;
    };
    while (!clock_.AwaitWithDeadline(mutex_, absl::Condition(&done),
                                     clock_.Now() + Progress::kDrawInterval)) {
      progress->Update(State());
    }
  }
  worker.join();
  absl::MutexLock lock(&mutex_);
  if (progress != nullptr) progress->Finish(State());
  result_.stopped = stop_asked_ && State().done < total_;
  return std::move(result_);
}

void Importer::Stop() {
  absl::MutexLock lock(&mutex_);
  ending_ = true;
  stop_asked_ = true;
}

void Importer::Work() {
  int64_t acknowledged_before = 0;
  for (int attempt = 1;; ++attempt) {
    const absl::Status status = RunCall();
    bool progressed = false;
    {
      absl::MutexLock lock(&mutex_);
      progressed = acknowledged_ > acknowledged_before;
      acknowledged_before = acknowledged_;
    }
    if (status.ok()) break;
    if (!IsTransient(status)) {
      Fail(status);
      break;
    }
    if (progressed) attempt = 1;
    if (attempt >= options_.attempts_max) {
      Fail(Annotate(status,
                    absl::StrCat("gave up after ", attempt, " attempts")));
      break;
    }
    if (!Delay(status, attempt)) break;
  }
  absl::MutexLock lock(&mutex_);
  working_ = false;
}

absl::Status Importer::RunCall() {
  {
    absl::MutexLock lock(&mutex_);
    call_ended_ = false;
  }
  const std::unique_ptr<ImportCall> call = open_();
  std::thread writer([this, &call] { WriteAll(*call); });
  ImportObjectsResponse response;
  while (call->Read(response)) OnResponse(response);
  {
    absl::MutexLock lock(&mutex_);
    call_ended_ = true;
  }
  writer.join();
  const absl::Status status = call->Finish();
  absl::MutexLock lock(&mutex_);
  if (status.ok() && !in_flight_.empty()) {
    return absl::InternalError(
        "the server ended the import before it had acknowledged everything");
  }
  return status;
}

void Importer::WriteAll(ImportCall& call) {
  storage::v1::ImportObjectsRequest header;
  header.mutable_header()->set_collection(options_.collection);
  header.mutable_header()->set_mode(storage::v1::IMPORT_MODE_UPSERT);
  bool open = call.Write(header);
  int64_t sequence_number = 0;
  while (open) {
    const std::shared_ptr<const Batch> batch = NextBatch(sequence_number);
    if (batch == nullptr) break;
    sequence_number = batch->sequence_number();
    open = call.Write(batch->request);
  }
  if (open) call.WritesDone();
}

std::shared_ptr<const Importer::Batch> Importer::NextBatch(
    int64_t sequence_number) {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      // Of an earlier call, sent again.
      for (const auto& batch : in_flight_) {
        if (batch->sequence_number() > sequence_number) return batch;
      }
      const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return call_ended_ || ending_ ||
               in_flight_.size() < static_cast<size_t>(options_.max_in_flight);
      };
      mutex_.Await(absl::Condition(&room));
      if (call_ended_) return nullptr;
    }
    const auto items = TakeItems();
    if (!items.has_value()) return nullptr;
    std::shared_ptr<Batch> batch = Load(*items);
    if (batch->items.empty()) continue;
    absl::MutexLock lock(&mutex_);
    batch->request.mutable_chunk()->set_sequence_number(
        next_sequence_number_++);
    in_flight_.push_back(batch);
    return batch;
  }
}

std::optional<absl::Span<const ImportItem>> Importer::TakeItems() {
  absl::MutexLock lock(&mutex_);
  if (ending_ || remaining_.empty()) return std::nullopt;
  size_t count = 0;
  int64_t bytes = 0;
  while (count < remaining_.size() &&
         count < static_cast<size_t>(options_.batch_objects_max)) {
    bytes += remaining_[count].bytes;
    if (count > 0 && bytes > options_.batch_bytes_max) break;
    ++count;
  }
  const auto taken = remaining_.subspan(0, count);
  remaining_.remove_prefix(count);
  return taken;
}

std::shared_ptr<Importer::Batch> Importer::Load(
    absl::Span<const ImportItem> items) {
  auto batch = std::make_shared<Batch>();
  for (const ImportItem& item : items) {
    auto object = LoadObject(item);
    if (!object.ok()) {
      Skip(item, std::string(object.status().message()));
      continue;
    }
    *batch->request.mutable_chunk()->add_objects() = *std::move(object);
    batch->items.push_back(&item);
  }
  return batch;
}

void Importer::OnResponse(const ImportObjectsResponse& response) {
  for (const storage::v1::ImportError& error : response.errors()) {
    OnError(error);
  }
  std::vector<std::shared_ptr<Batch>> acknowledged;
  {
    absl::MutexLock lock(&mutex_);
    acknowledged_ =
        std::max(acknowledged_, response.committed_sequence_number());
    while (!in_flight_.empty() &&
           in_flight_.front()->sequence_number() <= acknowledged_) {
      acknowledged.push_back(std::move(in_flight_.front()));
      in_flight_.pop_front();
    }
  }
  for (const auto& batch : acknowledged) Acknowledge(*batch);
}

void Importer::OnError(const storage::v1::ImportError& error) {
  const absl::Status status = FromStatusProto(error.status());
  const ImportItem* item = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& batch : in_flight_) {
      if (batch->sequence_number() != error.sequence_number() ||
          error.index() < 0 ||
          error.index() >= static_cast<int>(batch->items.size())) {
        continue;
      }
      // Named again when its chunk is sent again.
      if (!batch->refused.insert(error.index()).second) return;
      item = batch->items[error.index()];
    }
  }
  if (item == nullptr) return;
  if (absl::IsInvalidArgument(status)) {
    Skip(*item, ReasonFor(status));
  } else {
    Fail(Annotate(status, item->relative_path));
  }
}

bool Importer::Delay(const absl::Status& status, int attempt) {
  absl::Duration delay = options_.backoff_initial;
  for (int i = 1; i < attempt && delay < options_.backoff_max; ++i) delay *= 2;
  delay = std::min(delay, options_.backoff_max);
  absl::MutexLock lock(&mutex_);
  // Spread, so that clients that were refused together do not come back
  // together.
  delay *= absl::Uniform(random_, 1.0, 1.25);
  if (const auto asked = RetryAfterOf(status)) delay = std::max(delay, *asked);
  const auto ending = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_;
  };
  delayed_ = true;
  const bool ended = clock_.AwaitWithDeadline(mutex_, absl::Condition(&ending),
                                              clock_.Now() + delay);
  delayed_ = false;
  return !ended;
}

void Importer::Acknowledge(const Batch& batch) {
  std::vector<ImportJournal::Entry> entries;
  for (size_t i = 0; i < batch.items.size(); ++i) {
    if (batch.refused.count(static_cast<int>(i)) > 0) continue;
    entries.emplace_back(batch.items[i]->id, batch.items[i]->signature);
  }
  if (journal_ != nullptr) {
    if (absl::Status status = journal_->Append(entries); !status.ok()) {
      Fail(std::move(status));
    }
  }
  absl::MutexLock lock(&mutex_);
  result_.imported += static_cast<int64_t>(entries.size());
}

void Importer::Skip(const ImportItem& item, std::string reason) {
  absl::MutexLock lock(&mutex_);
  result_.skipped.push_back({item.relative_path, std::move(reason)});
}

void Importer::Fail(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  ending_ = true;
  // The first reason counts.
  result_.status.Update(status);
}

ProgressState Importer::State() const {
  ProgressState state;
  state.done = result_.imported + static_cast<int64_t>(result_.skipped.size());
  state.total = total_;
  state.skipped =
      skipped_before_ + static_cast<int64_t>(result_.skipped.size());
  if (delayed_) state.note = "waiting for the server";
  return state;
}

}  // namespace diptych::cli
