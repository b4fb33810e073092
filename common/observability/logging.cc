#include "common/observability/logging.h"

#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace diptych {
namespace {

constexpr size_t kTextBytesMax = 8 * 1024;

std::string JsonText(absl::string_view text) {
  // error_handler_t::replace: bytes that are not UTF-8 become U+FFFD.
  return nlohmann::json(std::string(text.substr(0, kTextBytesMax)))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Member(absl::string_view key, absl::string_view json_value) {
  return absl::StrCat(JsonText(key), ":", json_value);
}

spdlog::logger& Logger() {
  // Never destroyed: threads may still log while the process ends.
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger(
        "diptych", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

void Write(spdlog::level::level_enum level, absl::string_view level_name,
           absl::string_view message, std::initializer_list<LogField> fields) {
  spdlog::logger& logger = Logger();
  if (!logger.should_log(level)) return;
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                            absl::UTCTimeZone());
  logger.log(level, spdlog::string_view_t(
                        FormatLogLine(time, level_name, message, fields)));
}

}  // namespace

LogField::LogField(absl::string_view key, absl::string_view value)
    : json_(Member(key, JsonText(value))) {}
LogField::LogField(absl::string_view key, const absl::Status& status)
    : LogField(key, absl::string_view(status.ToString())) {}
LogField::LogField(absl::string_view key, int64_t value)
    : json_(Member(key, absl::StrCat(value))) {}
LogField::LogField(absl::string_view key, double value)
    : json_(Member(key, std::isfinite(value) ? absl::StrCat(value) : "null")) {}
LogField::LogField(absl::string_view key, bool value)
    : json_(Member(key, value ? "true" : "false")) {}

absl::Status SetLogLevel(absl::string_view level) {
  const auto set = [](spdlog::level::level_enum value) {
    Logger().set_level(value);
    return absl::OkStatus();
  };
  if (level == "debug") return set(spdlog::level::debug);
  if (level == "info") return set(spdlog::level::info);
  if (level == "warning") return set(spdlog::level::warn);
  if (level == "error") return set(spdlog::level::err);
  if (level == "off") return set(spdlog::level::off);
  return absl::InvalidArgumentError(absl::StrCat(
      "log level must be debug, info, warning, error or off; given: ", level));
}

bool DebugIsLogged() { return Logger().should_log(spdlog::level::debug); }

void LogDebug(absl::string_view message,
              std::initializer_list<LogField> fields) {
  Write(spdlog::level::debug, "debug", message, fields);
}
void LogInfo(absl::string_view message,
             std::initializer_list<LogField> fields) {
  Write(spdlog::level::info, "info", message, fields);
}
void LogWarning(absl::string_view message,
                std::initializer_list<LogField> fields) {
  Write(spdlog::level::warn, "warning", message, fields);
}
void LogError(absl::string_view message,
              std::initializer_list<LogField> fields) {
  Write(spdlog::level::err, "error", message, fields);
}

std::string FormatLogLine(absl::string_view time, absl::string_view level,
                          absl::string_view message,
                          std::initializer_list<LogField> fields) {
  std::string line = absl::StrCat("{", Member("time", JsonText(time)), ",",
                                  Member("level", JsonText(level)), ",",
                                  Member("message", JsonText(message)));
  for (const LogField& field : fields)
    absl::StrAppend(&line, ",", field.json());
  return absl::StrCat(line, "}");
}

}  // namespace diptych
