#include "inference/pipeline/byte_budget.h"

#include <utility>

namespace diptych::inference {

bool ByteBudget::Fits(size_t bytes) const {
  return taken_ == 0 || (taken_ <= bytes_max_ && bytes <= bytes_max_ - taken_);
}

void ByteBudget::Add(size_t bytes) {
  taken_ += bytes;
  gauge_.Set(static_cast<double>(taken_));
}

bool ByteBudget::TryTake(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (!waiters_.empty() || !Fits(bytes)) return false;
  Add(bytes);
  return true;
}

void ByteBudget::TakeWhenRoom(size_t bytes,
                              absl::AnyInvocable<void() &&> taken) {
  {
    absl::MutexLock lock(&mutex_);
    waiters_.push_back({bytes, std::move(taken)});
  }
  ServeWaiters();
}

void ByteBudget::Give(size_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    taken_ -= bytes;
    gauge_.Set(static_cast<double>(taken_));
  }
  ServeWaiters();
}

void ByteBudget::ServeWaiters() {
  while (true) {
    Waiter waiter;
    {
      absl::MutexLock lock(&mutex_);
      if (waiters_.empty() || !Fits(waiters_.front().bytes)) return;
      waiter = std::move(waiters_.front());
      waiters_.pop_front();
      Add(waiter.bytes);
    }
    std::move(waiter.taken)();
  }
}

}  // namespace diptych::inference
