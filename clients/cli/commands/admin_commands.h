// `diptych snapshot create|list|restore`, `compact`, `flush`, `reset`.
//
// Concurrency: the thread that runs the command line. Limits: calls may take an
// hour unless --timeout says otherwise.
#pragma once

#include "cli/commands/command_context.h"

namespace diptych::cli {

void AddAdminCommands(CLI::App& app, CommandContext& context);

}  // namespace diptych::cli
