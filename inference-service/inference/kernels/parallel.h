// Who computes the parts of a computation.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace diptych::inference {

// Operation: an implementation brings threads; what is computed does not depend
// on them. Concurrency: may be used from any thread, in parallel.
class Parallel {
 public:
  virtual ~Parallel() = default;

  // That For may use at a time, at least 1.
  virtual int threads() const = 0;
  // Whether so many operations of a product (a multiplication and a sum count
  // as two) are done sooner by all threads, waking them included.
  virtual bool IsWorth(int64_t operations) const = 0;
  // Calls task(0) ... task(count - 1), in any order, and returns when all are
  // done.
  virtual void For(int64_t count,
                   absl::FunctionRef<void(int64_t)> task) const = 0;
};

// The calling thread alone.
class Serial final : public Parallel {
 public:
  int threads() const override { return 1; }
  bool IsWorth(int64_t) const override { return false; }
  void For(int64_t count,
           absl::FunctionRef<void(int64_t)> task) const override {
    for (int64_t i = 0; i < count; ++i) task(i);
  }
};

// `parallel`, or the calling thread alone where there is too little to do.
inline const Parallel& ThreadsFor(int64_t operations,
                                  const Parallel& parallel) {
  static const Serial serial;
  if (parallel.IsWorth(operations)) return parallel;
  return serial;
}

}  // namespace diptych::inference
