// Turns a query of the API into what is to be done, and says everything that
// is wrong with it.
//
// Errors: INVALID_ARGUMENT names every bad field below `path` ("" or
// "queries[1]."). Concurrency: pure function. Limits: the engine's, and those
// of ranked_query.h and vector_query.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "diptych/storage/v1/search_service.pb.h"
#include "storage/service/ranked_query.h"
#include "storage/service/vector_query.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

struct PlannedQuery {
  // Without parts' vectors, which are still to be made from `spaces`, one of
  // them per part that is not of words. A query by filter alone has one part
  // and no space.
  RankedQuery query;
  std::vector<SpaceQuery> spaces;
};

// Points into `request`, which outlives the result.
absl::StatusOr<PlannedQuery> QueryFromProto(const v1::QueryRequest& request,
                                            const Collection& collection,
                                            const Limits& limits,
                                            absl::string_view path);

// Whether a text or picture must be vectorised first.
bool NeedsVectorizer(const v1::QueryRequest& request);

// Whether a query is answered in some milliseconds at most, whatever the
// collection: it walks graphs for few results near a vector that is there, and
// its filter, if any, compares alone, which the property index answers.
bool IsShort(const v1::QueryRequest& request);

}  // namespace diptych::storage
