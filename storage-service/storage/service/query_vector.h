// Makes the vectors of queries: vectorises their texts and pictures, reads the
// vectors of the objects they name, and does the arithmetic.
//
// Operation: all texts and pictures for one model go out together, in one call
// of the vectorizer (in several only beyond its limits); the stored vectors are
// read in one call of the engine. Then per query: the mean of the concepts,
// then move_to, then move_away, as Weaviate does; or the mix; or the
// recommendation (vector_arithmetic.h).
//
// Errors:
//   FAILED_PRECONDITION  the space has no vectorizer, the server no inference
//                        service, an object no vector in the space, or the
//                        model makes vectors of another length
//   NOT_FOUND            a named object does not exist
//   INVALID_ARGUMENT     an input that cannot be used, or a result without a
//                        direction where one is needed
// and the vectorizer's and the engine's. Concurrency: pure functions that
// block. Limits: kSourcesMax per query.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/requests.h"
#include "storage/service/service_environment.h"
#include "storage/service/vector_query.h"

namespace diptych::storage {

struct QueryVector {
  std::variant<std::vector<float>, NearObject> query;
  // Of the model that made the vector; empty when none took part.
  std::string model_fingerprint;
  // Not to be among the results.
  std::vector<std::string> excluded_ids;
};

// One per query, in order.
absl::StatusOr<std::vector<QueryVector>> MakeQueryVectors(
    const ServiceEnvironment& environment, const CallContext& call,
    const std::string& collection, absl::Span<const SpaceQuery> queries);

}  // namespace diptych::storage
