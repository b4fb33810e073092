// diptych.storage.v1.AdminService over an Engine.
//
// Operation: GetServerInfo answers; the other methods end with UNIMPLEMENTED in
// this version. Concurrency: methods are called by gRPC and run on the
// environment's executors. Limits: the executors'.
#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "diptych/storage/v1/admin_service.grpc.pb.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

struct ServerDescription {
  std::string version;
  int64_t message_bytes_max = 0;
  absl::Time start_time;
  // Empty: none.
  std::string inference_address;
  // Whether the inference service answered lately.
  std::function<bool()> inference_reachable;
};

class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const ServiceEnvironment& environment,
               ServerDescription description);

  grpc::ServerUnaryReactor* Flush(grpc::CallbackServerContext* context,
                                  const v1::FlushRequest* request,
                                  v1::FlushResponse* response) override;
  grpc::ServerUnaryReactor* CreateSnapshot(
      grpc::CallbackServerContext* context,
      const v1::CreateSnapshotRequest* request,
      v1::CreateSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* RestoreSnapshot(
      grpc::CallbackServerContext* context,
      const v1::RestoreSnapshotRequest* request,
      v1::RestoreSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* CompactCollection(
      grpc::CallbackServerContext* context,
      const v1::CompactCollectionRequest* request,
      v1::CompactCollectionResponse* response) override;
  grpc::ServerUnaryReactor* Reset(grpc::CallbackServerContext* context,
                                  const v1::ResetRequest* request,
                                  v1::ResetResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(
      grpc::CallbackServerContext* context,
      const v1::GetServerInfoRequest* request,
      v1::GetServerInfoResponse* response) override;

 private:
  absl::Status DescribeServer(const CallContext& call,
                              v1::GetServerInfoResponse& response) const;

  const ServiceEnvironment environment_;
  const ServerDescription description_;
  MethodMetrics info_metrics_;
};

}  // namespace diptych::storage
