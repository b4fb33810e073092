// `diptych import DIR --collection NAME`.
//
// Concurrency: the thread that runs the command line. Limits: none.
#pragma once

#include "cli/commands/command_context.h"

namespace diptych::cli {

void AddImportCommand(CLI::App& app, CommandContext& context);

}  // namespace diptych::cli
