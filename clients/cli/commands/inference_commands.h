// `diptych vectorize`: what the inference service makes of texts and pictures.
//
// Concurrency: the thread that runs the command line. Limits: none.
#pragma once

#include "cli/commands/command_context.h"

namespace diptych::cli {

void AddInferenceCommands(CLI::App& app, CommandContext& context);

}  // namespace diptych::cli
