// diptych.storage.v1.SearchService over an Engine.
//
// Operation: see query_execution.h. Queries that need vectors made run apart
// from those that do not, so searches by vector go on at full speed while the
// inference service is slow or down. Concurrency: methods are called by gRPC
// and run on the environment's executors; short queries (query_request.h) run
// on gRPC's threads while there is a place (common/rpc/inline_runs.h). Limits:
// kBatchQueriesMax queries of one batch; the engine's and the executors'.
#pragma once

#include "common/rpc/inline_runs.h"
#include "diptych/storage/v1/search_service.grpc.pb.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

class SearchService final : public v1::SearchService::CallbackService {
 public:
  static constexpr int kBatchQueriesMax = 256;

  explicit SearchService(const ServiceEnvironment& environment);

  grpc::ServerUnaryReactor* Query(grpc::CallbackServerContext* context,
                                  const v1::QueryRequest* request,
                                  v1::QueryResponse* response) override;
  grpc::ServerUnaryReactor* BatchQuery(
      grpc::CallbackServerContext* context,
      const v1::BatchQueryRequest* request,
      v1::BatchQueryResponse* response) override;

 private:
  absl::Status RunBatch(const CallContext& call,
                        const v1::BatchQueryRequest& request,
                        v1::BatchQueryResponse& response) const;
  // One query with the thumbnails of its results.
  absl::Status Answer(const CallContext& call, const std::string& collection,
                      const v1::QueryRequest& request, absl::string_view path,
                      v1::QueryResponse& response) const;

  const ServiceEnvironment environment_;
  MethodMetrics query_metrics_, batch_query_metrics_;
  InlineRuns inline_runs_{InlineRuns::DefaultPlaces()};
};

}  // namespace diptych::storage
