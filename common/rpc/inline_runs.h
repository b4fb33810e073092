// Lets short calls run where they arrive.
//
// Operation: handing a call to another thread and back costs more than a short
// search. A call that is known to be short may run at once, on the thread of
// gRPC that brought it, if a place is free; else it goes the ordinary way.
// Places are fewer than gRPC's threads, so that some always read, write and
// answer probes.
// Concurrency: every method may be called from any thread.
// Limits: `places` calls at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

namespace diptych {

class InlineRuns {
 public:
  explicit InlineRuns(int places) : free_(places) {}
  InlineRuns(const InlineRuns&) = delete;
  InlineRuns& operator=(const InlineRuns&) = delete;

  // Half of the threads that gRPC 1.51 has for callbacks, which are half as
  // many as there are processors, at least 2 and at most 16
  // (src/cpp/common/completion_queue_cc.cc).
  static int DefaultPlaces() {
    const auto processors =
        static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(processors / 2, 2, 16) / 2;
  }

  // True: there was a free place, which Leave gives back.
  bool TryEnter() {
    int free = free_.load(std::memory_order_relaxed);
    while (free > 0) {
      if (free_.compare_exchange_weak(free, free - 1,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void Leave() { free_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<int> free_;
};

}  // namespace diptych
