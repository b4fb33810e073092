// Says what is wrong with a collection's spec before it is used.
//
// Concurrency: pure functions.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// Chroma's rule (see Limits).
void ValidateCollectionName(absl::string_view name, absl::string_view field,
                            FieldViolations& violations);

// 8 to 10000.
void ValidateEfSearch(uint32_t ef_search, absl::string_view field,
                      FieldViolations& violations);

// OK, or INVALID_ARGUMENT that names each field by its path within
// CreateCollectionRequest, e.g. "spec.vector_spaces[1].hnsw.max_neighbors".
absl::Status ValidateCollectionSpec(const CollectionSpec& spec,
                                    const Limits& limits);

}  // namespace diptych::storage
