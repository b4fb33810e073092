#include "storage/service/query_execution.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "common/status/status_macros.h"
#include "storage/service/object_conversion.h"
#include "storage/service/query_request.h"
#include "storage/service/query_vector.h"
#include "storage/service/ranked_query.h"
#include "storage/service/value_conversion.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

// Without a query: objects in the order of their ids.
absl::Status ListByFilter(Engine& engine, const CallContext& call,
                          const RankedQuery& query,
                          v1::QueryResponse& response) {
  ListObjectsRequest list;
  list.collection = query.parts[0].search.collection;
  list.filter = query.parts[0].search.filter;
  list.projection = query.projection;
  uint32_t skip = query.offset, wanted = query.top_k;
  do {
    list.page_size = skip + wanted;
    DIPTYCH_ASSIGN_OR_RETURN(ListObjectsResult page,
                             engine.ListObjects(call, list));
    for (const ObjectView& view : page.objects) {
      if (skip > 0) {
        --skip;
      } else if (wanted > 0) {
        --wanted;
        *response.add_results()->mutable_object() = ObjectToProto(view);
      }
    }
    list.page_token = page.next_page_token;
  } while (wanted > 0 && !list.page_token.empty());
  return absl::OkStatus();
}

// Of all parts: what one of a fusion's parts leaves out must not come back
// through another.
std::vector<std::string> ExcludedIds(absl::Span<const QueryVector> vectors) {
  std::vector<std::string> ids;
  for (const QueryVector& vector : vectors) {
    ids.insert(ids.end(), vector.excluded_ids.begin(),
               vector.excluded_ids.end());
    const auto* near = std::get_if<NearObject>(&vector.query);
    if (near != nullptr && !near->include_self) ids.push_back(near->id);
  }
  return ids;
}

v1::QueryResult ResultToProto(const RankedResult& result, Metric metric) {
  v1::QueryResult out;
  *out.mutable_object() = ObjectToProto(result.view);
  if (result.distance.has_value()) {
    out.set_distance(*result.distance);
    if (metric == Metric::kCosine)
      out.set_certainty(CertaintyOfCosineDistance(*result.distance));
  }
  if (result.score.has_value()) out.set_score(*result.score);
  if (result.group.has_value())
    *out.mutable_group() = ValueToProto(*result.group);
  return out;
}

}  // namespace

absl::Status ExecuteQuery(const ServiceEnvironment& environment,
                          const CallContext& call,
                          const std::string& collection,
                          const v1::QueryRequest& request,
                          absl::string_view path, v1::QueryResponse& response) {
  DIPTYCH_ASSIGN_OR_RETURN(const Collection found,
                           environment.engine.GetCollection(call, collection));
  DIPTYCH_ASSIGN_OR_RETURN(
      PlannedQuery plan,
      QueryFromProto(request, found, environment.engine.limits(), path));
  if (request.query_case() == v1::QueryRequest::QUERY_NOT_SET)
    return ListByFilter(environment.engine, call, plan.query, response);

  DIPTYCH_ASSIGN_OR_RETURN(
      std::vector<QueryVector> vectors,
      MakeQueryVectors(environment, call, collection, plan.spaces));
  const std::vector<std::string> excluded_ids = ExcludedIds(vectors);
  auto vector = vectors.begin();
  for (RankedQuery::Part& part : plan.query.parts) {
    part.search.excluded_ids = excluded_ids;
    if (part.keywords.has_value()) continue;
    part.search.query = std::move(vector->query);
    part.search.model_fingerprint = std::move(vector->model_fingerprint);
    ++vector;
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<RankedResult> results,
      RunRankedQuery(environment.engine, call, plan.query));
  const Metric metric = plan.query.parts[0].metric;
  for (const RankedResult& result : results)
    *response.add_results() = ResultToProto(result, metric);
  return absl::OkStatus();
}

}  // namespace diptych::storage
