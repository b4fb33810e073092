// What surrounds a run of the command line: streams, whether they are
// terminals, environment variables and time. Tests make one of string streams.
//
// Operation: plain data; what it points to outlives the run.
// Concurrency: used by the thread that runs the command; `clock` by any.
// Limits: none.
#pragma once

#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>

#include "common/time/clock.h"

namespace diptych::cli {

struct Environment {
  // Results.
  std::ostream* out = nullptr;
  // Errors, progress and questions.
  std::ostream* err = nullptr;
  std::istream* in = nullptr;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool in_is_terminal = false;
  // Width of the terminal behind `err`, in columns.
  int columns = 80;
  // The value of an environment variable; nullopt when it is not set or empty.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  Clock* clock = nullptr;
};

// The process's own streams and variables.
Environment SystemEnvironment();

// Colours are used on a terminal, unless NO_COLOR is set (https://no-color.org)
// or TERM is "dumb".
bool UseColor(const Environment& environment, bool is_terminal);

}  // namespace diptych::cli
