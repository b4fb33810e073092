// Errors as a person and as a program reads them.
//
// Operation: code in words, message, each bad field, when to try again, what to
// do about it.
// Concurrency: pure functions.
// Limits: none.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/output/json_value.h"
#include "cli/terminal/style.h"

namespace diptych::cli {

// `status` with advice on what to do, kept through Annotate. OK stays OK.
absl::Status WithHint(absl::Status status, absl::string_view hint);

// The advice given with WithHint, or general advice for the code; "" when there
// is none.
std::string HintOf(const absl::Status& status);

// "not found", "invalid argument", ...
std::string CodeInWords(absl::StatusCode code);

// Several lines, each ending in a line break:
//   error: invalid argument: top_k is 20000; give 1 to 10000
//     field top_k: is 20000; give 1 to 10000       (unless the message says so)
//     retry in 1.5s
//     hint: ...
std::string ErrorText(const absl::Status& status, const Style& style);

// {"error": {"code": "INVALID_ARGUMENT", "message", "fields": [{"field",
// "description"}], "reason", "retry_after_seconds", "hint"}}; what is empty is
// left out.
Json ErrorToJson(const absl::Status& status);

}  // namespace diptych::cli
