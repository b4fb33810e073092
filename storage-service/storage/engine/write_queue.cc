#include "storage/engine/write_queue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::storage {

WriteQueue::WriteQueue(RecordStore* store, absl::Mutex* published, Clock* clock,
                       const WriteQueueOptions& options)
    : store_(store), published_(published), clock_(clock), options_(options) {}

absl::Status WriteQueue::Run(const CallContext& context,
                             const QueuedWrite& write) {
  Waiter waiter{&context, &write, false, false, absl::OkStatus()};
  std::vector<Waiter*> group;
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() >= options_.queued_requests_max ||
        (!waiting_.empty() &&
         waiting_bytes_ + write.bytes > options_.queued_bytes_max)) {
      return WithRetryAfter(
          absl::ResourceExhaustedError(absl::StrCat(
              "too many writes wait for this collection; write less at once or "
              "try again: requests ",
              waiting_.size(), ", bytes ", waiting_bytes_)),
          absl::Milliseconds(200));
    }
    waiting_.push_back(&waiter);
    waiting_bytes_ += write.bytes;
    auto my_turn = [this, &waiter]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return waiter.done || (!leading_ && waiting_.front() == &waiter);
    };
    if (!clock_->AwaitWithDeadline(mutex_, absl::Condition(&my_turn),
                                   context.deadline)) {
      if (!waiter.taken) {
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &waiter));
        waiting_bytes_ -= write.bytes;
        return context.Check(context.deadline);
      }
      // Its commit has begun; it ends whatever the deadline.
      mutex_.Await(absl::Condition(&waiter.done));
    }
    if (waiter.done) return waiter.status;
    leading_ = true;
    group = TakeGroup();
  }
  Commit(group);
  absl::MutexLock lock(&mutex_);
  for (Waiter* member : group) member->done = true;
  leading_ = false;
  return waiter.status;
}

absl::Status WriteQueue::RunBetweenWrites(
    const CallContext& context, absl::FunctionRef<absl::Status()> work) {
  {
    absl::MutexLock lock(&mutex_);
    auto idle = [this]()
                    ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !leading_; };
    if (!clock_->AwaitWithDeadline(mutex_, absl::Condition(&idle),
                                   context.deadline)) {
      return context.Check(context.deadline);
    }
    leading_ = true;
  }
  const absl::Status status = work();
  absl::MutexLock lock(&mutex_);
  leading_ = false;
  return status;
}

std::vector<WriteQueue::Waiter*> WriteQueue::TakeGroup() {
  std::vector<Waiter*> group;
  size_t bytes = 0;
  while (!waiting_.empty() && group.size() < options_.group_requests_max) {
    Waiter* next = waiting_.front();
    if (!group.empty() &&
        (next->write->alone ||
         bytes + next->write->bytes > options_.group_bytes_max)) {
      break;
    }
    waiting_.pop_front();
    waiting_bytes_ -= next->write->bytes;
    bytes += next->write->bytes;
    next->taken = true;
    group.push_back(next);
    if (next->write->alone) break;
  }
  return group;
}

void WriteQueue::Commit(const std::vector<Waiter*>& group) {
  absl::MutexLock published(published_);
  const absl::Time now = clock_->Now();
  bool any = false;
  const absl::Status committed =
      store_->RunWrite([&](WriteTransaction& transaction) {
        any = false;
        for (Waiter* member : group) {
          member->status = member->context->Check(now);
          if (!member->status.ok()) continue;
          member->status = member->write->prepare(transaction);
          if (!member->status.ok()) continue;
          any = true;
          DIPTYCH_RETURN_IF_ERROR(member->write->write(transaction));
        }
        // Nothing to make durable: an error spares the commit.
        return any ? absl::OkStatus() : absl::CancelledError("empty group");
      });
  for (Waiter* member : group) {
    if (!member->status.ok()) continue;
    member->status = any && committed.ok() ? member->write->apply() : committed;
  }
}

size_t WriteQueue::queued() const {
  absl::MutexLock lock(&mutex_);
  return waiting_.size();
}

}  // namespace diptych::storage
