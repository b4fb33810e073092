#include "common/config/server_flags.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych {
namespace {

constexpr double kWaitSecondsMax = 3600;

void CheckSeconds(absl::string_view flag, double seconds,
                  FieldViolations& violations) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kWaitSecondsMax) {
    violations.Add(flag, absl::StrCat("must be 0 to ", kWaitSecondsMax,
                                      " seconds; given: ", seconds));
  }
}

}  // namespace

absl::Status ServerFlags::Validate() const {
  FieldViolations violations;
  if (listen.empty()) {
    violations.Add("--listen", "is empty; give HOST:PORT or unix:/PATH");
  }
  CheckSeconds("--drain-seconds", drain_seconds, violations);
  CheckSeconds("--shutdown-grace-seconds", shutdown_grace_seconds, violations);
  return violations.ToStatus();
}

void AddServerFlags(CLI::App& app, ServerFlags& flags) {
  app.add_option("--listen", flags.listen,
                 "Address for gRPC: HOST:PORT, [V6]:PORT or unix:/PATH")
      ->envname("DIPTYCH_LISTEN")
      ->capture_default_str();
  app.add_option("--http-listen", flags.http_listen,
                 "Address for HTTP (metrics and health): HOST:PORT; \"\" for "
                 "none")
      ->envname("DIPTYCH_HTTP_LISTEN")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level,
                 "What is logged: debug, info, warning, error or off")
      ->envname("DIPTYCH_LOG_LEVEL")
      ->capture_default_str();
  app.add_option("--drain-seconds", flags.drain_seconds,
                 "How long to go on serving after SIGTERM, reporting "
                 "NOT_SERVING")
      ->envname("DIPTYCH_DRAIN_SECONDS")
      ->capture_default_str();
  app.add_option("--shutdown-grace-seconds", flags.shutdown_grace_seconds,
                 "How long calls in flight may take to end after that")
      ->envname("DIPTYCH_SHUTDOWN_GRACE_SECONDS")
      ->capture_default_str();
  app.set_version_flag("--version", std::string(Version()));
}

std::optional<int> ParseCommandLine(CLI::App& app, int argc,
                                    const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return std::nullopt;
}

absl::string_view Version() { return DIPTYCH_VERSION; }

}  // namespace diptych
