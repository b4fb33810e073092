// Typed details on absl::Status, in the vocabulary of google.rpc
// (https://google.aip.dev/193).
//
// A detail travels as a status payload whose type URL is
// "type.googleapis.com/google.rpc.<Message>" and whose bytes are that message;
// common/rpc/status_conversion turns payloads into gRPC status details and
// back. So code below the RPC layer can say which field is wrong, what is
// missing or when to retry, without seeing protobuf or gRPC.
//
// Concurrency: free functions and value types without shared state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace diptych {

// One wrong field of a request.
struct FieldViolation {
  // Full path from the request's root, e.g. "objects[3].vectors[\"default\"]".
  std::string field;
  // What was given, what is allowed and what to do, as a sentence without a
  // full stop.
  std::string description;
};

// Collects every wrong field of one request, so that a caller can mend all of
// them at once.
//
//   FieldViolations violations;
//   if (request.top_k < 1) violations.Add("top_k", "is 0; give 1 to 10000");
//   DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
class FieldViolations {
 public:
  // A status carries at most this many; the message says how many more there
  // were (HTTP/2 trailers are small).
  static constexpr int kReportedMax = 16;

  void Add(absl::string_view field, absl::string_view description);
  bool empty() const { return violations_.empty(); }
  const std::vector<FieldViolation>& violations() const { return violations_; }

  // OK when nothing was added, else INVALID_ARGUMENT with google.rpc.BadRequest
  // and a message that names each field.
  absl::Status ToStatus() const;

 private:
  std::vector<FieldViolation> violations_;
};

// INVALID_ARGUMENT about one field.
absl::Status InvalidField(absl::string_view field,
                          absl::string_view description);

// The fields that a status names (google.rpc.BadRequest); empty when it names
// none.
std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status);

// `status`, whatever its code, with the fields that `fields` names.
absl::Status WithFieldViolationsOf(absl::Status status,
                                   const absl::Status& fields);

// The same status, where fields whose path begins with `from` now begin with
// `to`: a layer that keeps a message of the API under another name says the
// API's. Statuses that name no fields are returned as they are.
absl::Status RenameFields(const absl::Status& status, absl::string_view from,
                          absl::string_view to);

// NOT_FOUND or ALREADY_EXISTS about a resource (google.rpc.ResourceInfo).
// `type` is e.g. "collection".
absl::Status ResourceNotFound(absl::string_view type, absl::string_view name,
                              absl::string_view message);
absl::Status ResourceExists(absl::string_view type, absl::string_view name,
                            absl::string_view message);

// `status` with google.rpc.RetryInfo: the caller may try again after `delay`.
// OK statuses are returned as they are.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);

// The delay that a status asks for, if any.
std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

// `status` with google.rpc.ErrorInfo{reason, domain "diptych"}: a stable
// UPPER_SNAKE_CASE word for programs.
absl::Status WithReason(absl::Status status, absl::string_view reason);

// The reason of a status, or "" when it has none.
std::string ReasonOf(const absl::Status& status);

// The same status with `prefix` and ": " before its message. Code and details
// are kept.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace diptych
