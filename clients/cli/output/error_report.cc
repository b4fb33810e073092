#include "cli/output/error_report.h"

#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "cli/terminal/display_width.h"
#include "common/status/error_details.h"

namespace diptych::cli {
namespace {

constexpr char kHintUrl[] = "diptych.cli/hint";

std::string GeneralHint(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kDeadlineExceeded:
      return "give more time with --timeout SECONDS, or ask for less";
    case absl::StatusCode::kUnimplemented:
      return "this server does not offer it; see `diptych info` for its "
             "version";
    case absl::StatusCode::kResourceExhausted:
      return "the server is busy or at a limit; try again later";
    default:
      return "";
  }
}

}  // namespace

absl::Status WithHint(absl::Status status, absl::string_view hint) {
  if (!status.ok()) status.SetPayload(kHintUrl, absl::Cord(hint));
  return status;
}

std::string HintOf(const absl::Status& status) {
  const auto hint = status.GetPayload(kHintUrl);
  return hint.has_value() ? std::string(*hint) : GeneralHint(status.code());
}

std::string CodeInWords(absl::StatusCode code) {
  return absl::StrReplaceAll(
      absl::AsciiStrToLower(absl::StatusCodeToString(code)), {{"_", " "}});
}

std::string ErrorText(const absl::Status& status, const Style& style) {
  std::string text =
      absl::StrCat(style.Red("error:"), " ", CodeInWords(status.code()), ": ",
                   Printable(status.message()), "\n");
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    if (absl::StrContains(status.message(), violation.description)) continue;
    absl::StrAppend(&text, "  field ", Printable(violation.field), ": ",
                    Printable(violation.description), "\n");
  }
  if (const auto delay = RetryAfterOf(status)) {
    absl::StrAppend(&text, "  retry in ", absl::FormatDuration(*delay), "\n");
  }
  if (const std::string hint = HintOf(status); !hint.empty()) {
    absl::StrAppend(&text, "  hint: ", hint, "\n");
  }
  return text;
}

Json ErrorToJson(const absl::Status& status) {
  Json error{{"code", absl::StatusCodeToString(status.code())},
             {"message", std::string(status.message())}};
  Json fields = Json::array();
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    fields.push_back(Json{{"field", violation.field},
                          {"description", violation.description}});
  }
  if (!fields.empty()) error["fields"] = std::move(fields);
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    error["reason"] = reason;
  }
  if (const auto delay = RetryAfterOf(status)) {
    error["retry_after_seconds"] = absl::ToDoubleSeconds(*delay);
  }
  if (const std::string hint = HintOf(status); !hint.empty()) {
    error["hint"] = hint;
  }
  return Json::object({{"error", std::move(error)}});
}

}  // namespace diptych::cli
