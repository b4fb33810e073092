// Gathers single inputs into batches for one model's encoder.
//
// Operation: a caller first reserves a Slot for each input, before it spends
// work on preparing it, and later submits the prepared input with its slot, or
// lets the slot go. EncodeQueue says which inputs share a batch and when a
// batch closes: full, oldest input has waited delay_max, a deadline nears, or
// nothing that could join is on its way. One thread encodes batch after batch
// (the encoder itself uses all cores or the device). When a batch fails, its
// inputs are encoded one by one, so one caller's input never fails another's.
//
// Concurrency: every method may be called from any thread; `done` and waiters'
// callbacks run on the encoding thread or on the one that freed room, and must
// not block. Shutdown may not be called from a callback.
//
// Limits: queue_max inputs hold a slot (being prepared or queued); bulk inputs
// at most half of them, so a bulk load never has interactive calls refused.
// Full: Reserve answers RESOURCE_EXHAUSTED with google.rpc.RetryInfo, an
// estimate of when the queue is worked off; ReserveWhenRoom waits. Inputs in
// the batch that is being encoded hold no slot.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/time/clock.h"
#include "inference/batching/batcher_metrics.h"
#include "inference/batching/encode_queue.h"
#include "inference/model/encoder.h"
#include "inference/types/priority.h"

namespace diptych::inference {

struct BatcherOptions {
  BatchRules rules;
  // Inputs that may hold a slot; at least 2.
  int queue_max = 1024;
};

class DynamicBatcher {
 public:
  // Room for one input, given back when the slot is destroyed unused. Must not
  // outlive the batcher.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept { *this = std::move(other); }
    Slot& operator=(Slot&& other) noexcept;
    ~Slot() { Release(); }

    // Gives the room back now.
    void Release();
    explicit operator bool() const { return batcher_ != nullptr; }

   private:
    friend class DynamicBatcher;
    Slot(DynamicBatcher* batcher, Modality modality, Priority priority)
        : batcher_(batcher), modality_(modality), priority_(priority) {}

    DynamicBatcher* batcher_ = nullptr;
    Modality modality_ = Modality::kText;
    Priority priority_ = Priority::kInteractive;
  };
  using SlotCallback = absl::AnyInvocable<void(absl::StatusOr<Slot>) &&>;

  // All referenced objects outlive the batcher. `metrics` may be null.
  DynamicBatcher(const Encoder& encoder, const BatcherOptions& options,
                 Clock& clock, BatcherMetrics* metrics);
  ~DynamicBatcher();
  DynamicBatcher(const DynamicBatcher&) = delete;
  DynamicBatcher& operator=(const DynamicBatcher&) = delete;

  // Starts the encoding thread. Tests leave it out and call RunDueBatch.
  void Start();

  // One slot per element of `modalities`, in order, or none:
  // RESOURCE_EXHAUSTED when there is no room for all, UNAVAILABLE after
  // Shutdown.
  absl::StatusOr<std::vector<Slot>> Reserve(
      absl::Span<const Modality> modalities, Priority priority);

  // Calls `callback` with a slot, now or when there is room, first come first
  // served; with UNAVAILABLE after Shutdown. As many may wait as callers exist:
  // each stream has one waiting at most.
  void ReserveWhenRoom(Modality modality, Priority priority,
                       SlotCallback callback);

  // Queues `job`, whose modality and priority are those of `slot`. Its `done`
  // gets the embedding, or
  //   DEADLINE_EXCEEDED, CANCELLED  the answer was not wanted any more
  //   UNAVAILABLE                   Shutdown came first
  //   others                        from the encoder
  void Submit(Slot slot, EncodeJob job);

  // Encodes the batch that is due, on this thread; false when none is.
  bool RunDueBatch();

  // Refuses new inputs, encodes what is queued, and joins the thread. May be
  // called twice.
  void Shutdown();

  // Inputs that hold a slot.
  int used() const;

 private:
  struct Waiter {
    Modality modality;
    Priority priority;
    SlotCallback callback;
  };

  bool HasRoom(Priority priority, int count) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Occupy(Modality modality, Priority priority)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Vacate(Priority priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration RetryAfter() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseSlot(Modality modality, Priority priority);
  // Serves waiters while there is room.
  void ServeWaiters();
  void Encode(EncodeQueue::Batch batch);
  absl::StatusOr<std::vector<Embedding>> EncodeInputs(
      Modality modality, absl::Span<EncodeQueue::Entry> entries);
  void RunUntilShutdown();

  const Encoder& encoder_;
  const BatcherOptions options_;
  Clock& clock_;
  BatcherMetrics* const metrics_;

  mutable absl::Mutex mutex_;
  EncodeQueue queue_ ABSL_GUARDED_BY(mutex_);
  std::array<int, kPriorities> used_ ABSL_GUARDED_BY(mutex_) = {};
  std::deque<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  // Set by whatever may make a batch due; the encoding thread waits for it.
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  // The encoding thread has ended, or there never was one and Shutdown was
  // called: nothing will encode what is submitted now.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration last_batch_duration_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex thread_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(thread_mutex_);
};

}  // namespace diptych::inference
