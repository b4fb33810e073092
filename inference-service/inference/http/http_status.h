// absl::Status as HTTP.
//
// Concurrency: free functions without shared state.
#pragma once

#include "absl/status/status.h"

namespace diptych::inference {

// INVALID_ARGUMENT and its kin 400, NOT_FOUND 404, RESOURCE_EXHAUSTED 429,
// UNAVAILABLE and CANCELLED (the server is stopping) 503, DEADLINE_EXCEEDED
// 504, anything else 500.
int HttpStatusOf(const absl::Status& status);

}  // namespace diptych::inference
