// The command `diptych`: options, commands, errors, exit status.
//
// Operation: parses the arguments, runs one command and prints its result to
// `out`. An error goes to `err`, as text or, with --json, as one JSON object;
// then nothing of a result has been printed.
// Concurrency: one thread. Limits: none.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal/environment.h"

namespace diptych::cli {

// `arguments` without the program's name. Returns the exit status
// (docs/cli.md).
int RunCommandLine(const std::vector<std::string>& arguments,
                   const Environment& environment);

}  // namespace diptych::cli
