#include "inference/batching/dynamic_batcher.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::inference {
namespace {

// What RetryInfo says before the first batch was measured, and its bounds.
constexpr absl::Duration kFirstEstimate = absl::Milliseconds(50);
constexpr absl::Duration kRetryAfterMin = absl::Milliseconds(20);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(10);

absl::Status ShuttingDown() {
  return absl::UnavailableError(
      "the service is shutting down; try another replica");
}

}  // namespace

DynamicBatcher::Slot& DynamicBatcher::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    Release();
    batcher_ = std::exchange(other.batcher_, nullptr);
    modality_ = other.modality_;
    priority_ = other.priority_;
  }
  return *this;
}

void DynamicBatcher::Slot::Release() {
  if (DynamicBatcher* const batcher = std::exchange(batcher_, nullptr)) {
    batcher->ReleaseSlot(modality_, priority_);
  }
}

DynamicBatcher::DynamicBatcher(const Encoder& encoder,
                               const BatcherOptions& options, Clock& clock,
                               BatcherMetrics* metrics)
    : encoder_(encoder),
      options_(options),
      clock_(clock),
      metrics_(metrics),
      queue_(options.rules),
      last_batch_duration_(kFirstEstimate) {}

DynamicBatcher::~DynamicBatcher() { Shutdown(); }

void DynamicBatcher::Start() {
  absl::MutexLock lock(&thread_mutex_);
  thread_ = std::thread([this] { RunUntilShutdown(); });
}

bool DynamicBatcher::HasRoom(Priority priority, int count) const {
  const int bulk = used_[static_cast<int>(Priority::kBulk)];
  const int all = used_[static_cast<int>(Priority::kInteractive)] + bulk;
  return all + count <= options_.queue_max &&
         (priority == Priority::kInteractive ||
          bulk + count <= options_.queue_max / 2);
}

void DynamicBatcher::Occupy(Modality modality, Priority priority) {
  ++used_[static_cast<int>(priority)];
  queue_.Expect(modality, priority, 1);
  if (metrics_ != nullptr) metrics_->SetDepth(used_[0] + used_[1]);
}

void DynamicBatcher::Vacate(Priority priority) {
  --used_[static_cast<int>(priority)];
  if (metrics_ != nullptr) metrics_->SetDepth(used_[0] + used_[1]);
}

absl::Duration DynamicBatcher::RetryAfter() const {
  const int batches =
      1 + (used_[0] + used_[1]) / std::max(1, options_.rules.batch_max);
  return std::clamp(last_batch_duration_ * batches, kRetryAfterMin,
                    kRetryAfterMax);
}

absl::StatusOr<std::vector<DynamicBatcher::Slot>> DynamicBatcher::Reserve(
    absl::Span<const Modality> modalities, Priority priority) {
  const int count = static_cast<int>(modalities.size());
  std::vector<Slot> slots;
  slots.reserve(modalities.size());
  absl::MutexLock lock(&mutex_);
  if (shutting_down_) return ShuttingDown();
  if (!HasRoom(priority, count)) {
    if (metrics_ != nullptr) metrics_->Refused(count);
    return WithRetryAfter(
        absl::ResourceExhaustedError(absl::StrCat(
            "the queue of model ", encoder_.info().name, " has no room for ",
            count, " inputs; try again later or send fewer at a time")),
        RetryAfter());
  }
  for (const Modality modality : modalities) {
    Occupy(modality, priority);
    slots.push_back(Slot(this, modality, priority));
  }
  return slots;
}

void DynamicBatcher::ReserveWhenRoom(Modality modality, Priority priority,
                                     SlotCallback callback) {
  {
    absl::MutexLock lock(&mutex_);
    waiters_.push_back({modality, priority, std::move(callback)});
  }
  ServeWaiters();
}

void DynamicBatcher::ServeWaiters() {
  while (true) {
    Waiter waiter;
    absl::StatusOr<Slot> slot = ShuttingDown();
    {
      absl::MutexLock lock(&mutex_);
      if (waiters_.empty()) return;
      const Waiter& first = waiters_.front();
      if (!shutting_down_) {
        if (!HasRoom(first.priority, 1)) return;
        Occupy(first.modality, first.priority);
        slot = Slot(this, first.modality, first.priority);
      }
      waiter = std::move(waiters_.front());
      waiters_.pop_front();
    }
    std::move(waiter.callback)(std::move(slot));
  }
}

void DynamicBatcher::ReleaseSlot(Modality modality, Priority priority) {
  {
    absl::MutexLock lock(&mutex_);
    Vacate(priority);
    queue_.Expect(modality, priority, -1);
    changed_ = true;
  }
  ServeWaiters();
}

void DynamicBatcher::Submit(Slot slot, EncodeJob job) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_) {
      slot.batcher_ = nullptr;
      queue_.Expect(slot.modality_, slot.priority_, -1);
      queue_.Add(std::move(job), clock_.Now());
      changed_ = true;
      return;
    }
  }
  std::move(job.done)(ShuttingDown());
}

bool DynamicBatcher::RunDueBatch() {
  std::optional<EncodeQueue::Batch> batch;
  {
    absl::MutexLock lock(&mutex_);
    batch = queue_.TakeBatch(clock_.Now(), shutting_down_);
    if (!batch.has_value()) return false;
    for (const auto& entry : batch->entries) Vacate(entry.job.priority);
    for (const auto& [entry, why] : batch->dropped) {
      Vacate(entry.job.priority);
    }
  }
  ServeWaiters();
  Encode(*std::move(batch));
  return true;
}

void DynamicBatcher::Encode(EncodeQueue::Batch batch) {
  for (auto& [entry, why] : batch.dropped) {
    std::move(entry.job.done)(std::move(why));
  }
  if (metrics_ != nullptr) {
    metrics_->Dropped(static_cast<int>(batch.dropped.size()));
  }
  if (batch.entries.empty()) return;

  const absl::Time begin = clock_.Now();
  if (metrics_ != nullptr) {
    metrics_->Closed(batch.reason, static_cast<int>(batch.entries.size()));
    for (const auto& entry : batch.entries) {
      metrics_->Waited(begin - entry.arrival);
    }
  }
  absl::StatusOr<std::vector<Embedding>> rows =
      EncodeInputs(batch.modality, absl::MakeSpan(batch.entries));
  const absl::Duration duration = clock_.Now() - begin;
  if (metrics_ != nullptr) metrics_->Encoded(duration);
  {
    absl::MutexLock lock(&mutex_);
    last_batch_duration_ = duration;
  }
  const bool alone = batch.entries.size() == 1;
  for (size_t i = 0; i < batch.entries.size(); ++i) {
    EncodeQueue::Entry& entry = batch.entries[i];
    if (rows.ok()) {
      std::move(entry.job.done)(std::move((*rows)[i]));
      continue;
    }
    absl::StatusOr<std::vector<Embedding>> row =
        alone ? std::move(rows)
              : EncodeInputs(batch.modality, absl::MakeSpan(&entry, 1));
    if (row.ok()) {
      std::move(entry.job.done)(std::move(row->front()));
    } else {
      std::move(entry.job.done)(std::move(row).status());
    }
  }
}

absl::StatusOr<std::vector<Embedding>> DynamicBatcher::EncodeInputs(
    Modality modality, absl::Span<EncodeQueue::Entry> entries) {
  absl::StatusOr<std::vector<Embedding>> rows;
  // The inputs lend their data to the call and get it back, because a batch
  // that fails is encoded again.
  const auto encode = [&](auto inputs, auto call) {
    using Input = typename decltype(inputs)::value_type;
    for (auto& entry : entries) {
      inputs.push_back(std::move(std::get<Input>(entry.job.input)));
    }
    rows = call(inputs);
    for (size_t i = 0; i < entries.size(); ++i) {
      entries[i].job.input = std::move(inputs[i]);
    }
  };
  if (modality == Modality::kText) {
    encode(std::vector<TokenIds>(),
           [this](const auto& texts) { return encoder_.EncodeTexts(texts); });
  } else {
    encode(std::vector<Image>(), [this](const auto& images) {
      return encoder_.EncodeImages(images);
    });
  }
  if (rows.ok() && rows->size() != entries.size()) {
    return absl::InternalError(absl::StrCat("the encoder gave ", rows->size(),
                                            " embeddings for ", entries.size(),
                                            " inputs"));
  }
  return rows;
}

void DynamicBatcher::RunUntilShutdown() {
  while (true) {
    while (RunDueBatch()) {
    }
    absl::MutexLock lock(&mutex_);
    if (shutting_down_ && queue_.size() == 0) {
      ended_ = true;
      return;
    }
    const auto changed = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return changed_;
    };
    clock_.AwaitWithDeadline(mutex_, absl::Condition(&changed),
                             queue_.NextDue());
    changed_ = false;
  }
}

void DynamicBatcher::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    changed_ = true;
  }
  ServeWaiters();
  absl::MutexLock lock(&thread_mutex_);
  if (thread_.joinable()) {
    thread_.join();
    return;
  }
  while (RunDueBatch()) {
  }
  absl::MutexLock state_lock(&mutex_);
  ended_ = true;
}

int DynamicBatcher::used() const {
  absl::MutexLock lock(&mutex_);
  return used_[0] + used_[1];
}

}  // namespace diptych::inference
