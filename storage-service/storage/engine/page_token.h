// Page tokens: where the next page begins, opaque to callers.
//
// Operation: version, hash of the request, position and a checksum, in
// URL-safe base64. They hold no state of the server, so they stay valid after a
// restart.
// Concurrency: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

// Hash of what must be the same from page to page.
uint64_t PageRequestHash(absl::string_view canonical_request);

std::string EncodePageToken(uint64_t request_hash, absl::string_view position);

// The position. INVALID_ARGUMENT on the field "page_token": not a token,
// changed, or of another request.
absl::StatusOr<std::string> DecodePageToken(uint64_t request_hash,
                                            absl::string_view token);

}  // namespace diptych::storage
