#include "cli/terminal/environment.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace diptych::cli {

Environment SystemEnvironment() {
  Environment environment;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.in = &std::cin;
  environment.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  environment.err_is_terminal = isatty(STDERR_FILENO) == 1;
  environment.in_is_terminal = isatty(STDIN_FILENO) == 1;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    environment.columns = size.ws_col;
  }
  environment.variable =
      [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  environment.clock = &Clock::System();
  return environment;
}

bool UseColor(const Environment& environment, bool is_terminal) {
  return is_terminal && !environment.variable("NO_COLOR").has_value() &&
         environment.variable("TERM") != "dumb";
}

}  // namespace diptych::cli
