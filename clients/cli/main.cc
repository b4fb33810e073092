// The command `diptych`; see docs/cli.md.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/commands/command_line.h"
#include "cli/terminal/environment.h"

int main(int argc, char** argv) {
  return diptych::cli::RunCommandLine(
      std::vector<std::string>(argv + std::min(argc, 1), argv + argc),
      diptych::cli::SystemEnvironment());
}
