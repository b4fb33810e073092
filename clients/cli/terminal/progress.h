// Shows how far a long command is: one line that is drawn over again on a
// terminal, a line now and then elsewhere.
//
// Operation: the rate is that of the last half minute, so that the remaining
// time follows a service that becomes slower or faster.
// Concurrency: one thread at a time.
// Limits: keeps one sample per drawing of the last half minute.
#pragma once

#include <cstdint>
#include <deque>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace diptych::cli {

struct ProgressState {
  // Items dealt with (imported or skipped) and items in all.
  int64_t done = 0;
  int64_t total = 0;
  int64_t skipped = 0;
  // Shown at the end when not empty, e.g. "waiting for the server".
  std::string note;
};

// "importing  1234/10000  12% [===>        ]  85.3/s  1m43s left  3 skipped".
// `rate` is items per second; 0 leaves out rate and remaining time. The bar is
// left out when `columns` are too few for it.
std::string FormatProgress(absl::string_view verb, const ProgressState& state,
                           double rate, int columns);

// "58s", "1m43s", "2h05m", "3d04h".
std::string FormatRemaining(absl::Duration duration);

class Progress {
 public:
  struct Options {
    std::string verb;
    bool terminal = false;
    int columns = 80;
    // Between lines where there is no terminal.
    absl::Duration line_interval = absl::Seconds(10);
  };

  // `out` and `clock` outlive it.
  Progress(Options options, std::ostream& out, Clock& clock);

  // Between two drawings on a terminal.
  static constexpr absl::Duration kDrawInterval = absl::Milliseconds(200);

  // Draws, or does nothing when the last line is too fresh.
  void Update(const ProgressState& state);

  // Draws a last time and ends the line.
  void Finish(const ProgressState& state);

 private:
  struct Sample {
    absl::Time time;
    int64_t done;
  };

  double AddSample(const ProgressState& state);

  const Options options_;
  std::ostream& out_;
  Clock& clock_;
  std::deque<Sample> samples_;
  absl::Time last_draw_ = absl::InfinitePast();
};

}  // namespace diptych::cli
