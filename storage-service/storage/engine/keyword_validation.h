// What a search by words must be like.
//
// Concurrency: pure function. Limits: keyword_text_bytes_max,
// keyword_terms_max, and properties_per_object_max properties.
#pragma once

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "storage/engine/requests.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// Names every wrong field below `path` ("queries[1].keyword"). A text without a
// single word is no fault: it finds nothing.
void ValidateKeywords(const Keywords& keywords, absl::string_view path,
                      const Limits& limits, FieldViolations& violations);

}  // namespace diptych::storage
