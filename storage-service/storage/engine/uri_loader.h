// Brings the bytes that lie at a URI.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"

namespace diptych::storage {

// Reasons (ReasonOf) of what a loader answers, with their codes.
//
// PERMISSION_DENIED: the operator does not allow it: another scheme, host or
// folder, or an address that is not public.
inline constexpr char kUriNotAllowed[] = "URI_NOT_ALLOWED";
// NOT_FOUND: there is nothing at the URI.
inline constexpr char kUriNotFound[] = "URI_NOT_FOUND";
// INVALID_ARGUMENT: more bytes than an image or a write may have.
inline constexpr char kUriTooLarge[] = "URI_TOO_LARGE";
// FAILED_PRECONDITION: what serves the URI does not give it: a redirect, a
// refusal, a certificate that does not hold, a file that may not be read.
inline constexpr char kUriRefused[] = "URI_REFUSED";
// UNAVAILABLE, with RetryAfterOf(): no answer in time, no connection, no
// address, or the server's own fault.
inline constexpr char kUriUnavailable[] = "URI_UNAVAILABLE";

// Operation: loads each URI once and whole. Nothing is kept between calls but
// connections.
// Concurrency: every method may be called from any thread; calls block.
// Limits: those of the implementation, per URI in bytes and in time; per call
// `bytes_max`.
class UriLoader {
 public:
  virtual ~UriLoader() = default;

  // One result per URI, in order; together at most `bytes_max` bytes: what
  // would go beyond answers kUriTooLarge. Errors: those above, and
  // INVALID_ARGUMENT for what is no URI; RESOURCE_EXHAUSTED with RetryAfterOf()
  // when too many calls wait; DEADLINE_EXCEEDED, CANCELLED.
  virtual std::vector<absl::StatusOr<std::string>> Load(
      const CallContext& context, absl::Span<const std::string> uris,
      size_t bytes_max) = 0;
};

}  // namespace diptych::storage
