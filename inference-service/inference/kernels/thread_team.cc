#include "inference/kernels/thread_team.h"

#include <algorithm>

namespace diptych::inference {
namespace {

// Some 50 microseconds.
constexpr int kLooks = 1000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

template <typename Condition>
void LookFor(const Condition& condition) {
  for (int look = 0; look < kLooks && !condition(); ++look) Pause();
}

}  // namespace

struct ThreadTeam::Job {
  void Run() {
    for (int64_t i = next++; i < count; i = next++) {
      if (i + 1 == count) --open;
      task(i);
    }
  }
  bool HasTasks() const { return next < count; }

  const int64_t count;
  const absl::FunctionRef<void(int64_t)> task;
  std::atomic<int>& open;
  std::atomic<int64_t> next = 0;
  // That are in Run. Changed under the team's lock, behind which the caller
  // leaves; read without it by a caller that looks.
  std::atomic<int> helpers = 0;
};

ThreadTeam::ThreadTeam(int threads) {
  for (int i = 1; i < threads; ++i) {
    helpers_.emplace_back([this] { Help(); });
  }
}

ThreadTeam::~ThreadTeam() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.SignalAll();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadTeam::For(int64_t count,
                     absl::FunctionRef<void(int64_t)> task) const {
  if (helpers_.empty() || count <= 1) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  Job job{count, task, open_};
  {
    absl::MutexLock lock(&mutex_);
    jobs_.push_back(&job);
    ++open_;
  }
  wake_.SignalAll();
  job.Run();
  // From here on nobody joins: no task is left.
  LookFor([&] { return job.helpers == 0; });
  absl::MutexLock lock(&mutex_);
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  while (job.helpers > 0) done_.Wait(&mutex_);
}

ThreadTeam::Job* ThreadTeam::Join() const {
  for (Job* job : jobs_) {
    if (!job->HasTasks()) continue;
    ++job->helpers;
    return job;
  }
  return nullptr;
}

void ThreadTeam::Help() const {
  while (true) {
    LookFor([&] { return open_ > 0; });
    Job* job = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      for (job = Join(); job == nullptr; job = Join()) {
        if (stopping_) return;
        wake_.Wait(&mutex_);
      }
    }
    job->Run();
    absl::MutexLock lock(&mutex_);
    --job->helpers;
    done_.SignalAll();
  }
}

}  // namespace diptych::inference
