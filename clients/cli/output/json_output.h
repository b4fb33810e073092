// The storage service's messages as JSON for programs (`--json`).
//
// Operation: one function per message; names of fields are those of the API.
// int64 numbers stay numbers.
// Concurrency: pure functions.
// Limits: none.
#pragma once

#include <string>

#include "cli/output/json_value.h"
#include "diptych/storage/v1/collection.pb.h"
#include "diptych/storage/v1/object.pb.h"
#include "diptych/storage/v1/search_service.pb.h"

namespace diptych::cli {

// {"id", "properties", "vectors" when there are any, "create_time",
// "update_time"}.
Json ObjectToJson(const storage::v1::Object& object);

// {"rank", "distance", "certainty", "score" where they are set, "object"...}:
// the object's fields lie beside them.
Json QueryResultToJson(const storage::v1::QueryResult& result, int rank);

Json CollectionToJson(const storage::v1::Collection& collection);
Json StatsToJson(const storage::v1::CollectionStats& stats);

// "cosine", "l2", "ip": the words of `--metric`.
std::string MetricName(storage::v1::Metric metric);

// "ready", "building".
std::string IndexStateName(storage::v1::IndexState state);

}  // namespace diptych::cli
