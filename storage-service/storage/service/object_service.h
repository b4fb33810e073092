// diptych.storage.v1.ObjectService over an Engine.
//
// Operation: each method converts, calls the engine and converts back. Writes
// whose objects all bring vectors, and no URIs, run apart from those that may
// wait for the inference service or for what serves a URI. Concurrency: methods
// are called by gRPC and run on the environment's executors. Limits: the
// engine's and the executors'.
#pragma once

#include "diptych/storage/v1/object_service.grpc.pb.h"
#include "storage/service/import_stream.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

class ObjectService final : public v1::ObjectService::CallbackService {
 public:
  explicit ObjectService(const ServiceEnvironment& environment);

  grpc::ServerUnaryReactor* InsertObjects(
      grpc::CallbackServerContext* context,
      const v1::InsertObjectsRequest* request,
      v1::InsertObjectsResponse* response) override;
  grpc::ServerUnaryReactor* UpsertObjects(
      grpc::CallbackServerContext* context,
      const v1::UpsertObjectsRequest* request,
      v1::UpsertObjectsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateObjects(
      grpc::CallbackServerContext* context,
      const v1::UpdateObjectsRequest* request,
      v1::UpdateObjectsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteObjects(
      grpc::CallbackServerContext* context,
      const v1::DeleteObjectsRequest* request,
      v1::DeleteObjectsResponse* response) override;
  grpc::ServerUnaryReactor* GetObjects(
      grpc::CallbackServerContext* context,
      const v1::GetObjectsRequest* request,
      v1::GetObjectsResponse* response) override;
  grpc::ServerUnaryReactor* ListObjects(
      grpc::CallbackServerContext* context,
      const v1::ListObjectsRequest* request,
      v1::ListObjectsResponse* response) override;
  grpc::ServerUnaryReactor* CountObjects(
      grpc::CallbackServerContext* context,
      const v1::CountObjectsRequest* request,
      v1::CountObjectsResponse* response) override;
  grpc::ServerBidiReactor<v1::ImportObjectsRequest, v1::ImportObjectsResponse>*
  ImportObjects(grpc::CallbackServerContext* context) override;

  // Before the server shuts down: imports end when what they have received is
  // acknowledged, with UNAVAILABLE and RetryInfo.
  void StopImports() { imports_.Stop(); }

 private:
  template <typename Request>
  Executor& WriteExecutor(const Request& request) const;

  const ServiceEnvironment environment_;
  MethodMetrics insert_metrics_, upsert_metrics_, update_metrics_,
      delete_metrics_, get_metrics_, list_metrics_, count_metrics_;
  ImportStreams imports_;
};

}  // namespace diptych::storage
