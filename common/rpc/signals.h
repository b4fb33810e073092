// Waits for the signals that ask a server to stop.
//
// Operation: make one at the start of main, before any thread: threads inherit
// the mask that keeps SIGTERM and SIGINT for Wait. SIGPIPE is ignored: a peer
// that closes its connection is an error code, not a death. After Wait the
// signals have their usual effect again, so that a second one ends a stop that
// hangs.
// Concurrency: one thread uses it.
// Limits: one per process.
#pragma once

#include <csignal>

namespace diptych {

class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Blocks until SIGTERM or SIGINT; returns its number.
  int Wait();

 private:
  sigset_t signals_;
};

}  // namespace diptych
