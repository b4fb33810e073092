// The processor time of the calling thread.
//
// Other programs on the machine slow it down through caches and memory only,
// not by taking the processor away, so that ratios of one run hold on a machine
// that is not idle.
#pragma once

#include <ctime>

namespace diptych {

inline double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace diptych
