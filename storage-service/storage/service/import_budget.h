// How much of imports the server holds at one time.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/observability/metrics.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// Operation: every import has a share, in which it counts the chunks that it
// has read and not yet acknowledged. A share has room while it is below the
// limits of one import and all are below those of all; without room the import
// stops reading, so that flow control stops its client, until something is
// acknowledged.
//
// Concurrency: every method may be called from any thread. `resume` runs on the
// thread that made room, with no lock held.
//
// Limits: those of imports in Limits. What is read at one time may exceed them
// by a message per import, because sizes are known after reading.
class ImportBudget : public std::enable_shared_from_this<ImportBudget> {
 public:
  class Share {
   public:
    // Returns all that it holds.
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Counts a chunk.
    void Take(size_t bytes);
    // Its acknowledgement is on its way.
    void Return(size_t chunks, size_t bytes);
    // Makes room for another stream now; destruction does it too. What was
    // taken stays taken.
    void Close();
    // True: there is room. False: `resume` is called once, when there is.
    bool AwaitRoom(absl::AnyInvocable<void() &&> resume);

   private:
    friend class ImportBudget;
    explicit Share(std::shared_ptr<ImportBudget> budget)
        : budget_(std::move(budget)) {}

    const std::shared_ptr<ImportBudget> budget_;
    // Guarded by the budget's lock.
    size_t chunks_ = 0;
    size_t bytes_ = 0;
    absl::AnyInvocable<void() &&> resume_;
    bool open_ = true;
    std::list<Share*>::iterator position_;
  };

  // `metrics` must outlive it.
  static std::shared_ptr<ImportBudget> Create(const Limits& limits,
                                              MetricsRegistry& metrics);

  // RESOURCE_EXHAUSTED with RetryInfo when there are import_streams_max.
  absl::StatusOr<std::shared_ptr<Share>> Open() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  ImportBudget(const Limits& limits, MetricsRegistry& metrics);

  bool HasRoom(const Share& share) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Measure() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes back, and resumes those that have room now.
  void Release(Share& share, size_t chunks, size_t bytes, bool close)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Limits limits_;
  Gauge& streams_gauge_;
  Gauge& chunks_gauge_;
  Gauge& bytes_gauge_;
  Gauge& waiting_gauge_;
  Counter& refused_;

  absl::Mutex mutex_;
  // In the order in which they came; who waits longest is resumed first.
  std::list<Share*> shares_ ABSL_GUARDED_BY(mutex_);
  size_t chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::storage
