#include "common/time/clock.h"

#include "absl/time/clock.h"

namespace diptych {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  bool AwaitWithDeadline(absl::Mutex& mutex, const absl::Condition& condition,
                         absl::Time deadline) override
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return mutex.AwaitWithDeadline(condition, deadline);
  }
};

}  // namespace

Clock& Clock::System() {
  static SystemClock* const clock = new SystemClock;
  return *clock;
}

}  // namespace diptych
