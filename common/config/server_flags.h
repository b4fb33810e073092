// The command line that both servers share, on CLI11.
//
//   CLI::App app("Turns text and images into vectors.");
//   InferenceServerOptions options;
//   AddServerFlags(app, options.server);
//   app.add_option("--threads", options.threads, "...")
//       ->envname("DIPTYCH_THREADS");
//   if (const auto exit = ParseCommandLine(app, argc, argv)) return *exit;
//   if (const absl::Status status = options.Validate(); !status.ok()) ...
//
// Every flag `--some-name` may be given as the environment variable
// DIPTYCH_SOME_NAME instead; the command line wins. `--version` prints the
// version, `--help` the flags.
// Concurrency: called at the start of main, before any thread.
#pragma once

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace diptych {

// Set by the program before AddServerFlags; the values are the defaults that
// --help shows.
struct ServerFlags {
  // HOST:PORT, [V6]:PORT or unix:/PATH.
  std::string listen;
  // HOST:PORT; empty: no HTTP port.
  std::string http_listen;
  std::string log_level = "info";
  // How long to go on serving after SIGTERM while reporting NOT_SERVING, so
  // that load balancers notice.
  double drain_seconds = 0;
  // How long calls in flight may take to end after that.
  double shutdown_grace_seconds = 20;

  // INVALID_ARGUMENT names every wrong flag.
  absl::Status Validate() const;
};

// Adds --listen, --http-listen, --log-level, --drain-seconds and
// --shutdown-grace-seconds. `flags` must outlive `app`.
void AddServerFlags(CLI::App& app, ServerFlags& flags);

// The process's exit status when it shall end now (help, version, an error,
// which has been printed), else nothing.
std::optional<int> ParseCommandLine(CLI::App& app, int argc,
                                    const char* const* argv);

// "0.1.0".
absl::string_view Version();

}  // namespace diptych
