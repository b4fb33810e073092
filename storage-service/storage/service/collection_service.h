// diptych.storage.v1.CollectionService over an Engine.
//
// Operation: each method converts, calls the engine and converts back.
// Concurrency: methods are called by gRPC and run on the environment's
// executors. Limits: the engine's and the executors'.
#pragma once

#include "diptych/storage/v1/collection_service.grpc.pb.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

class CollectionService final : public v1::CollectionService::CallbackService {
 public:
  explicit CollectionService(const ServiceEnvironment& environment);

  grpc::ServerUnaryReactor* CreateCollection(
      grpc::CallbackServerContext* context,
      const v1::CreateCollectionRequest* request,
      v1::CreateCollectionResponse* response) override;
  grpc::ServerUnaryReactor* GetCollection(
      grpc::CallbackServerContext* context,
      const v1::GetCollectionRequest* request,
      v1::GetCollectionResponse* response) override;
  grpc::ServerUnaryReactor* ListCollections(
      grpc::CallbackServerContext* context,
      const v1::ListCollectionsRequest* request,
      v1::ListCollectionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateCollection(
      grpc::CallbackServerContext* context,
      const v1::UpdateCollectionRequest* request,
      v1::UpdateCollectionResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCollection(
      grpc::CallbackServerContext* context,
      const v1::DeleteCollectionRequest* request,
      v1::DeleteCollectionResponse* response) override;
  grpc::ServerUnaryReactor* GetCollectionStats(
      grpc::CallbackServerContext* context,
      const v1::GetCollectionStatsRequest* request,
      v1::GetCollectionStatsResponse* response) override;

 private:
  const ServiceEnvironment environment_;
  MethodMetrics create_metrics_, get_metrics_, list_metrics_, update_metrics_,
      delete_metrics_, stats_metrics_;
};

}  // namespace diptych::storage
