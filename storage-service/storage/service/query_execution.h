// Runs one query of the API.
//
// Operation: checks everything that needs no other service first
// (query_request.h); then asks the vectorizer and the engine for the vectors
// that the query is made of (query_vector.h); then searches (ranked_query.h)
// and writes the results. Errors: those of the three. Concurrency: pure
// function; it blocks. Limits: those of the three.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/concurrency/call_context.h"
#include "diptych/storage/v1/search_service.pb.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

absl::Status ExecuteQuery(const ServiceEnvironment& environment,
                          const CallContext& call,
                          const std::string& collection,
                          const v1::QueryRequest& request,
                          absl::string_view path, v1::QueryResponse& response);

}  // namespace diptych::storage
