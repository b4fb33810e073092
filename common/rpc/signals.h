// Waits for the signals that ask a server to stop, or to read its files anew.
//
// Operation: make one at the start of main, before any thread: threads inherit
// the mask that keeps SIGTERM, SIGINT and, where asked for, SIGHUP for Wait.
// SIGPIPE is ignored: a peer that closes its connection is an error code, not a
// death. After Wait gave SIGTERM or SIGINT the signals have their usual effect
// again, so that a second one ends a stop that hangs. Concurrency: one thread
// uses it. Limits: one per process.
#pragma once

#include <csignal>

namespace diptych {

class StopSignals {
 public:
  // With `reload`, Wait also gives SIGHUP, which else ends the process.
  explicit StopSignals(bool reload = false);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Blocks until SIGTERM, SIGINT or SIGHUP; returns its number.
  int Wait();

 private:
  sigset_t signals_;
};

}  // namespace diptych
