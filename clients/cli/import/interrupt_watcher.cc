#include "cli/import/interrupt_watcher.h"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace diptych::cli {
namespace {

constexpr int kInterruptedStatus = 130;

}  // namespace

InterruptWatcher::InterruptWatcher() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &previous_mask_);
  thread_ = std::thread([this] { Watch(); });
}

InterruptWatcher::~InterruptWatcher() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  // To that thread alone; it waits for this signal.
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

void InterruptWatcher::SetHandler(std::function<void()> function) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(function);
  if (interrupted_ && handler_) handler_();
}

bool InterruptWatcher::interrupted() const {
  absl::MutexLock lock(&mutex_);
  return interrupted_;
}

void InterruptWatcher::Watch() {
  while (true) {
    int signal = 0;
    sigwait(&signals_, &signal);
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    // Whoever asks twice wants to go now; the journal is whole at any time.
    if (interrupted_) _exit(kInterruptedStatus);
    interrupted_ = true;
    if (handler_) handler_();
  }
}

}  // namespace diptych::cli
