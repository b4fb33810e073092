// The vectors that queries are made of: those of their texts and pictures, and
// those of the stored objects they name.
//
// Operation: all texts and pictures for one model go out together, in one call
// of the vectorizer (in several only beyond its limits); the stored vectors are
// read in one call of the engine. Errors: as query_vector.h says. Concurrency:
// plain values; FetchSources blocks. Limits: the vectorizer's and the engine's.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"
#include "storage/service/service_environment.h"
#include "storage/service/vector_query.h"
#include "storage/types/object.h"

namespace diptych::storage {

struct SourceVectors {
  // By the address of the bytes in the request's message, which outlives this.
  absl::flat_hash_map<const std::string*, std::vector<float>> of_input;
  absl::flat_hash_map<std::string, NamedVectors> of_object;
  // By the name of the model as the space gives it.
  absl::flat_hash_map<std::string, std::string> model_fingerprints;
};

// Those of all queries.
absl::StatusOr<SourceVectors> FetchSources(
    const ServiceEnvironment& environment, const CallContext& call,
    const std::string& collection, absl::Span<const SpaceQuery> queries);

}  // namespace diptych::storage
