#include "common/concurrency/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace diptych {
namespace {

// The kernel's limit for a thread's name, without the final zero.
constexpr size_t kThreadNameMax = 15;

}  // namespace

ThreadPool::ThreadPool(const ThreadPoolOptions& options)
    : queue_max_(std::max(1, options.queue_max)) {
  const std::string name = options.name.substr(0, kThreadNameMax);
  absl::MutexLock lock(&join_mutex_);
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    threads_.emplace_back([this] { RunTasks(); });
    pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
}

ThreadPool::~ThreadPool() { Shutdown(); }

bool ThreadPool::TrySchedule(Task task) {
  absl::MutexLock lock(&mutex_);
  if (shutting_down_ || static_cast<int>(queue_.size()) >= queue_max_) {
    return false;
  }
  queue_.push_back(std::move(task));
  return true;
}

void ThreadPool::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
  }
  absl::MutexLock lock(&join_mutex_);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int ThreadPool::queue_depth() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(queue_.size());
}

void ThreadPool::RunTasks() {
  const auto work_or_end = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return shutting_down_ || !queue_.empty();
  };
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&work_or_end));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(task)();
  }
}

}  // namespace diptych
