// Log lines as JSON, one object per line on standard error:
//
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","message":"serving",
//    "address":"127.0.0.1:50051"}
//
// Concurrency: every function may be called from any thread; a line is written
// whole.
// Limits: a text value is cut at 8 KiB. Request contents (texts, images,
// property values) are never logged.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace diptych {

// One key and value of a log line.
class LogField {
 public:
  LogField(absl::string_view key, absl::string_view value);
  LogField(absl::string_view key, const std::string& value)
      : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, const char* value)
      : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, const absl::Status& status);
  LogField(absl::string_view key, int value)
      : LogField(key, static_cast<int64_t>(value)) {}
  LogField(absl::string_view key, int64_t value);
  LogField(absl::string_view key, double value);
  LogField(absl::string_view key, bool value);

  // `"key":value`, in JSON.
  const std::string& json() const { return json_; }

 private:
  std::string json_;
};

// "debug", "info", "warning", "error" or "off"; INVALID_ARGUMENT otherwise.
// The level is info until this is called.
absl::Status SetLogLevel(absl::string_view level);

// Whether LogDebug writes; saves making fields for nothing.
bool DebugIsLogged();

void LogDebug(absl::string_view message,
              std::initializer_list<LogField> fields = {});
void LogInfo(absl::string_view message,
             std::initializer_list<LogField> fields = {});
void LogWarning(absl::string_view message,
                std::initializer_list<LogField> fields = {});
void LogError(absl::string_view message,
              std::initializer_list<LogField> fields = {});

// The line that the functions above write, for tests.
std::string FormatLogLine(absl::string_view time, absl::string_view level,
                          absl::string_view message,
                          std::initializer_list<LogField> fields);

}  // namespace diptych
