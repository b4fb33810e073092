// A fixed number of threads that run tasks in the order in which they came.
//
// Operation: TrySchedule queues a task or refuses it. Shutdown refuses new
// tasks, runs those that wait, and joins the threads; the destructor does the
// same.
// Concurrency: every method may be called from any thread, except that Shutdown
// and the destructor may not be called from a task.
// Limits: `threads` running tasks and `queue_max` waiting ones.
#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/executor.h"

namespace diptych {

struct ThreadPoolOptions {
  // Shown by ps and debuggers; the kernel keeps the first 15 bytes.
  std::string name = "pool";
  // At least 1.
  int threads = 1;
  // Tasks that may wait; at least 1.
  int queue_max = 1024;
};

class ThreadPool final : public Executor {
 public:
  explicit ThreadPool(const ThreadPoolOptions& options);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] bool TrySchedule(Task task) override;

  // Returns when every waiting task has run. May be called twice.
  void Shutdown();

  // Tasks that wait for a thread.
  int queue_depth() const;

 private:
  void RunTasks();

  const int queue_max_;
  mutable absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex join_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(join_mutex_);
};

}  // namespace diptych
