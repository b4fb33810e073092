#include "cli/import/importer.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/import/object_loader.h"
#include "common/status/error_details.h"

namespace diptych::cli {
namespace {

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// 3 of "objects[3].properties[\"year\"]", and what follows the bracket.
std::optional<std::pair<int, absl::string_view>> ParseObjectField(
    absl::string_view field) {
  if (!absl::ConsumePrefix(&field, "objects[")) return std::nullopt;
  const size_t bracket = field.find(']');
  int index = 0;
  if (bracket == absl::string_view::npos ||
      !absl::SimpleAtoi(field.substr(0, bracket), &index)) {
    return std::nullopt;
  }
  field.remove_prefix(bracket + 1);
  absl::ConsumePrefix(&field, ".");
  return std::make_pair(index, field);
}

}  // namespace

Importer::Importer(ImporterOptions options, Upsert upsert,
                   ImportJournal* journal, Clock& clock)
    : options_(std::move(options)),
      upsert_(std::move(upsert)),
      journal_(journal),
      clock_(clock) {}

ImportResult Importer::Run(const std::vector<ImportItem>& items,
                           Progress* progress, int64_t skipped_before) {
  {
    absl::MutexLock lock(&mutex_);
    remaining_ = items;
    total_ = static_cast<int64_t>(items.size());
    skipped_before_ = skipped_before;
    working_ = options_.max_in_flight;
    if (progress != nullptr) progress->Update(State());
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < options_.max_in_flight; ++i) {
    threads.emplace_back([this] { Work(); });
  }
  if (progress != nullptr) {
    absl::MutexLock lock(&mutex_);
    const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return working_ == 0;
    };
    while (!clock_.AwaitWithDeadline(mutex_, absl::Condition(&done),
                                     clock_.Now() + Progress::kDrawInterval)) {
      progress->Update(State());
    }
  }
  for (std::thread& thread : threads) thread.join();
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
  while (const auto items = TakeItems()) {
    Batch batch = Load(*items);
    if (!batch.items.empty()) Send(std::move(batch));
  }
  absl::MutexLock lock(&mutex_);
  --working_;
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

Importer::Batch Importer::Load(absl::Span<const ImportItem> items) {
  Batch batch;
  batch.request.set_collection(options_.collection);
  for (const ImportItem& item : items) {
    auto object = LoadObject(item);
    if (!object.ok()) {
      Skip(item, std::string(object.status().message()));
      continue;
    }
    *batch.request.add_objects() = *std::move(object);
    batch.items.push_back(&item);
  }
  return batch;
}

void Importer::Send(Batch batch) {
  int attempt = 0;
  while (!batch.items.empty()) {
    const absl::Status status = upsert_(batch.request);
    if (status.ok()) {
      Acknowledge(batch);
      return;
    }
    if (IsTransient(status)) {
      if (++attempt >= options_.attempts_max) {
        Fail(Annotate(status,
                      absl::StrCat("gave up after ", attempt, " attempts")));
        return;
      }
      if (!Delay(status, attempt)) return;
      continue;
    }
    if (!absl::IsInvalidArgument(status)) {
      Fail(status);
      return;
    }
    if (DropNamed(status, batch)) continue;
    if (batch.items.size() == 1) {
      Skip(*batch.items[0], std::string(status.message()));
      return;
    }
    Batch second;
    second.request.set_collection(options_.collection);
    const size_t half = batch.items.size() / 2;
    for (size_t i = half; i < batch.items.size(); ++i) {
      second.items.push_back(batch.items[i]);
      second.request.add_objects()->Swap(
          batch.request.mutable_objects(static_cast<int>(i)));
    }
    batch.items.resize(half);
    batch.request.mutable_objects()->DeleteSubrange(
        static_cast<int>(half), static_cast<int>(second.items.size()));
    Send(std::move(second));
  }
}

bool Importer::DropNamed(const absl::Status& status, Batch& batch) {
  std::map<int, std::string> reasons;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    const auto field = ParseObjectField(violation.field);
    if (!field.has_value() || field->first < 0 ||
        field->first >= static_cast<int>(batch.items.size())) {
      continue;
    }
    std::string& reason = reasons[field->first];
    absl::StrAppend(&reason, reason.empty() ? "" : "; ", field->second,
                    field->second.empty() ? "" : " ", violation.description);
  }
  // From the end, so that positions before stay as they are.
  for (auto it = reasons.rbegin(); it != reasons.rend(); ++it) {
    Skip(*batch.items[it->first], it->second);
    batch.items.erase(batch.items.begin() + it->first);
    batch.request.mutable_objects()->DeleteSubrange(it->first, 1);
  }
  return !reasons.empty();
}

bool Importer::Delay(const absl::Status& status, int attempt) {
  absl::Duration delay = options_.backoff_initial;
  for (int i = 1; i < attempt && delay < options_.backoff_max; ++i) delay *= 2;
  delay = std::min(delay, options_.backoff_max);
  absl::MutexLock lock(&mutex_);
  // Spread, so that batches that were refused together do not come back
  // together.
  delay *= absl::Uniform(random_, 1.0, 1.25);
  if (const auto asked = RetryAfterOf(status)) delay = std::max(delay, *asked);
  const auto ending = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_;
  };
  ++delayed_;
  const bool ended = clock_.AwaitWithDeadline(mutex_, absl::Condition(&ending),
                                              clock_.Now() + delay);
  --delayed_;
  return !ended;
}

void Importer::Acknowledge(const Batch& batch) {
  if (journal_ != nullptr) {
    std::vector<ImportJournal::Entry> entries;
    for (const ImportItem* item : batch.items) {
      entries.emplace_back(item->id, item->signature);
    }
    if (absl::Status status = journal_->Append(entries); !status.ok()) {
      Fail(std::move(status));
    }
  }
  absl::MutexLock lock(&mutex_);
  result_.imported += static_cast<int64_t>(batch.items.size());
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
  if (delayed_ > 0) state.note = "waiting for the server";
  return state;
}

}  // namespace diptych::cli
