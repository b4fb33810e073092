#include "cli/commands/command_line.h"

#include <algorithm>

#include "cli/commands/admin_commands.h"
#include "cli/commands/collection_commands.h"
#include "cli/commands/command_context.h"
#include "cli/commands/import_command.h"
#include "cli/commands/inference_commands.h"
#include "cli/commands/object_commands.h"
#include "cli/commands/search_command.h"
#include "cli/commands/server_commands.h"
#include "cli/output/error_report.h"

namespace diptych::cli {
namespace {

void AddGlobalOptions(CLI::App& app, CommandContext& context) {
  const auto variable = [&context](const char* name, const char* otherwise) {
    return context.environment.variable(name).value_or(otherwise);
  };
  context.server = variable("DIPTYCH_SERVER", "127.0.0.1:50052");
  context.inference = variable("DIPTYCH_INFERENCE", "127.0.0.1:50051");
  app.add_option("--server", context.server,
                 "Address of the storage service (DIPTYCH_SERVER)")
      ->capture_default_str();
  app.add_option("--inference", context.inference,
                 "Address of the inference service (DIPTYCH_INFERENCE)")
      ->capture_default_str();
  app.add_flag("--json", context.json,
               "Print one JSON document instead of a table");
  app.add_option("--timeout", context.timeout_seconds,
                 "Seconds that one call may take (default 60; import: 600)")
      ->check(CLI::Range(0.001, 86400.0));
}

void ReportError(const absl::Status& status, const CommandContext& context) {
  std::ostream& err = *context.environment.err;
  if (context.json) {
    err << JsonText(ErrorToJson(status)) << std::endl;
  } else {
    err << ErrorText(status,
                     Style(UseColor(context.environment,
                                    context.environment.err_is_terminal)))
        << std::flush;
  }
}

// Options may stand before and after a command.
void AllowGlobalOptionsEverywhere(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    command->fallthrough();
    AllowGlobalOptionsEverywhere(*command);
  }
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments,
                   const Environment& environment) {
  CommandContext context;
  context.environment = environment;
  CLI::App app("Multimodal search: texts and pictures find each other.",
               "diptych");
  AddGlobalOptions(app, context);
  AddCollectionCommands(app, context);
  AddImportCommand(app, context);
  AddSearchCommand(app, context);
  AddObjectCommands(app, context);
  AddInferenceCommands(app, context);
  AddServerCommands(app, context);
  AddAdminCommands(app, context);
  AllowGlobalOptionsEverywhere(app);
  app.require_subcommand(1);
  try {
    // CLI11 takes them from the back.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      // --help.
      return app.exit(error, *environment.out, *environment.err);
    }
    // The parse may have ended before --json was reached.
    context.json = std::find(arguments.begin(), arguments.end(), "--json") !=
                   arguments.end();
    ReportError(WithHint(absl::InvalidArgumentError(error.what()),
                         "see `diptych --help`, or `--help` after a command"),
                context);
    return kBadUsage;
  }
  const absl::StatusOr<int> result = context.run();
  environment.out->flush();
  if (result.ok()) return *result;
  ReportError(result.status(), context);
  return kFailed;
}

}  // namespace diptych::cli
