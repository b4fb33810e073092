// diptych.storage.v1.AdminService over an Engine.
//
// Operation: each method calls the engine; Reset only where it is allowed.
// Concurrency: methods are called by gRPC and run on the environment's
// executors: those that change something, or last, on that of writes. Limits:
// the executors'.
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
  // Whether Reset may delete everything.
  bool reset_allowed = false;
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
  grpc::ServerUnaryReactor* ListSnapshots(
      grpc::CallbackServerContext* context,
      const v1::ListSnapshotsRequest* request,
      v1::ListSnapshotsResponse* response) override;
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
  MethodMetrics flush_metrics_, create_metrics_, list_metrics_,
      restore_metrics_, compact_metrics_, reset_metrics_, info_metrics_;
};

}  // namespace diptych::storage
