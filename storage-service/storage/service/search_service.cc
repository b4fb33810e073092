#include "storage/service/search_service.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "storage/service/answer_thumbnails.h"
#include "storage/service/query_execution.h"
#include "storage/service/query_request.h"

namespace diptych::storage {

SearchService::SearchService(const ServiceEnvironment& environment)
    : environment_(environment),
      query_metrics_(environment.metrics, "SearchService/Query"),
      batch_query_metrics_(environment.metrics, "SearchService/BatchQuery") {}

grpc::ServerUnaryReactor* SearchService::Query(
    grpc::CallbackServerContext* context, const v1::QueryRequest* request,
    v1::QueryResponse* response) {
  Executor& executor = NeedsVectorizer(*request) ? environment_.vectorized_reads
                                                 : environment_.reads;
  UnaryCallOptions options{.metrics = &query_metrics_};
  if (IsShort(*request)) options.inline_runs = &inline_runs_;
  return RunUnaryCall(context, options, executor,
                      [this, request, response](const CallContext& call) {
                        return Answer(call, request->collection(), *request, "",
                                      *response);
                      });
}

grpc::ServerUnaryReactor* SearchService::BatchQuery(
    grpc::CallbackServerContext* context, const v1::BatchQueryRequest* request,
    v1::BatchQueryResponse* response) {
  const bool vectorized = std::any_of(
      request->queries().begin(), request->queries().end(), NeedsVectorizer);
  Executor& executor =
      vectorized ? environment_.vectorized_reads : environment_.reads;
  return RunUnaryCall(context, {.metrics = &batch_query_metrics_}, executor,
                      [this, request, response](const CallContext& call) {
                        return RunBatch(call, *request, *response);
                      });
}

absl::Status SearchService::RunBatch(const CallContext& call,
                                     const v1::BatchQueryRequest& request,
                                     v1::BatchQueryResponse& response) const {
  FieldViolations violations;
  if (request.queries().empty() || request.queries_size() > kBatchQueriesMax) {
    violations.Add("queries",
                   absl::StrCat("has ", request.queries_size(),
                                " queries; give 1 to ", kBatchQueriesMax));
  }
  for (int i = 0; i < request.queries_size(); ++i) {
    const std::string& named = request.queries(i).collection();
    if (!named.empty() && named != request.collection()) {
      violations.Add(absl::StrCat("queries[", i, "].collection"),
                     absl::StrCat("is \"", named, "\", but the batch is of \"",
                                  request.collection(), "\""));
    }
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  for (int i = 0; i < request.queries_size(); ++i) {
    DIPTYCH_RETURN_IF_ERROR(call.Check(Clock::System().Now()));
    DIPTYCH_RETURN_IF_ERROR(
        Answer(call, request.collection(), request.queries(i),
               absl::StrCat("queries[", i, "]."), *response.add_responses()));
  }
  return absl::OkStatus();
}

absl::Status SearchService::Answer(const CallContext& call,
                                   const std::string& collection,
                                   const v1::QueryRequest& request,
                                   absl::string_view path,
                                   v1::QueryResponse& response) const {
  DIPTYCH_RETURN_IF_ERROR(
      ExecuteQuery(environment_, call, collection, request, path, response));
  AnswerThumbnails thumbnails(environment_, call, collection,
                              request.projection().thumbnail_pixels(),
                              environment_.engine.limits().answer_bytes_max);
  for (v1::QueryResult& result : *response.mutable_results()) {
    DIPTYCH_RETURN_IF_ERROR(thumbnails.AddTo(*result.mutable_object()));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
