#include "storage/service/admin_service.h"

#include <utility>

#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {

AdminService::AdminService(const ServiceEnvironment& environment,
                           ServerDescription description)
    : environment_(environment),
      description_(std::move(description)),
      flush_metrics_(environment.metrics, "AdminService/Flush"),
      create_metrics_(environment.metrics, "AdminService/CreateSnapshot"),
      list_metrics_(environment.metrics, "AdminService/ListSnapshots"),
      restore_metrics_(environment.metrics, "AdminService/RestoreSnapshot"),
      compact_metrics_(environment.metrics, "AdminService/CompactCollection"),
      reset_metrics_(environment.metrics, "AdminService/Reset"),
      info_metrics_(environment.metrics, "AdminService/GetServerInfo") {}

grpc::ServerUnaryReactor* AdminService::Flush(
    grpc::CallbackServerContext* context, const v1::FlushRequest* request,
    v1::FlushResponse*) {
  return RunUnaryCall(
      context, {.metrics = &flush_metrics_}, environment_.writes,
      [this, request](const CallContext& call) {
        return environment_.engine.Flush(call, request->collection());
      });
}

grpc::ServerUnaryReactor* AdminService::CreateSnapshot(
    grpc::CallbackServerContext* context,
    const v1::CreateSnapshotRequest* request,
    v1::CreateSnapshotResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &create_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const SnapshotInfo snapshot,
            environment_.engine.CreateSnapshot(call, request->name()));
        response->set_size_bytes(static_cast<int64_t>(snapshot.size_bytes));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::ListSnapshots(
    grpc::CallbackServerContext* context, const v1::ListSnapshotsRequest*,
    v1::ListSnapshotsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &list_metrics_}, environment_.writes,
      [this, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(const std::vector<SnapshotInfo> snapshots,
                                 environment_.engine.ListSnapshots(call));
        for (const SnapshotInfo& snapshot : snapshots) {
          v1::Snapshot& added = *response->add_snapshots();
          added.set_name(snapshot.name);
          *added.mutable_create_time() = TimestampToProto(snapshot.create_time);
          added.set_size_bytes(static_cast<int64_t>(snapshot.size_bytes));
          added.set_collections(static_cast<int64_t>(snapshot.collections));
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::RestoreSnapshot(
    grpc::CallbackServerContext* context,
    const v1::RestoreSnapshotRequest* request,
    v1::RestoreSnapshotResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &restore_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_RETURN_IF_ERROR(environment_.AdmitMemory());
        DIPTYCH_ASSIGN_OR_RETURN(
            const RestoreSnapshotResult restored,
            environment_.engine.RestoreSnapshot(call, request->name()));
        response->set_collections(static_cast<int64_t>(restored.collections));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::CompactCollection(
    grpc::CallbackServerContext* context,
    const v1::CompactCollectionRequest* request,
    v1::CompactCollectionResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &compact_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const CompactionResult compacted,
            environment_.engine.CompactCollection(call, request->name()));
        response->set_disk_bytes_before(
            static_cast<int64_t>(compacted.disk_bytes_before));
        response->set_disk_bytes_after(
            static_cast<int64_t>(compacted.disk_bytes_after));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::Reset(
    grpc::CallbackServerContext* context, const v1::ResetRequest*,
    v1::ResetResponse*) {
  return RunUnaryCall(
      context, {.metrics = &reset_metrics_}, environment_.writes,
      [this](const CallContext& call) -> absl::Status {
        if (!description_.reset_allowed) {
          return WithReason(
              absl::PermissionDeniedError(
                  "this server does not let itself be reset; start it with "
                  "--allow-reset, or delete the collections one by one"),
              "RESET_NOT_ALLOWED");
        }
        return environment_.engine.Reset(call);
      });
}

grpc::ServerUnaryReactor* AdminService::GetServerInfo(
    grpc::CallbackServerContext* context, const v1::GetServerInfoRequest*,
    v1::GetServerInfoResponse* response) {
  return RunUnaryCall(context, {.metrics = &info_metrics_}, environment_.reads,
                      [this, response](const CallContext& call) {
                        return DescribeServer(call, *response);
                      });
}

absl::Status AdminService::DescribeServer(
    const CallContext& call, v1::GetServerInfoResponse& response) const {
  const Limits& limits = environment_.engine.limits();
  response.set_version(description_.version);
  v1::ServerLimits& out = *response.mutable_limits();
  out.set_message_bytes_max(description_.message_bytes_max);
  out.set_objects_per_batch_max(
      static_cast<int64_t>(limits.objects_per_batch_max));
  out.set_properties_per_object_max(
      static_cast<int64_t>(limits.properties_per_object_max));
  out.set_object_bytes_max(static_cast<int64_t>(limits.object_bytes_max));
  out.set_image_bytes_max(static_cast<int64_t>(limits.image_bytes_max));
  out.set_results_max(static_cast<int64_t>(limits.results_max));
  out.set_filter_depth_max(static_cast<int64_t>(limits.filter_depth_max));
  out.set_filter_nodes_max(static_cast<int64_t>(limits.filter_nodes_max));
  out.set_vector_dimension_max(
      static_cast<int64_t>(limits.vector_dimension_max));
  out.set_collections_max(static_cast<int64_t>(limits.collections_max));
  out.set_import_streams_max(static_cast<int64_t>(limits.import_streams_max));
  out.set_import_stream_chunks_max(
      static_cast<int64_t>(limits.import_stream_chunks_max));
  out.set_import_stream_bytes_max(
      static_cast<int64_t>(limits.import_stream_bytes_max));
  out.set_import_bytes_max(static_cast<int64_t>(limits.import_bytes_max));
  response.mutable_uptime()->set_seconds(
      absl::ToInt64Seconds(Clock::System().Now() - description_.start_time));
  response.set_inference_address(description_.inference_address);
  response.set_inference_reachable(description_.inference_reachable &&
                                   description_.inference_reachable());

  int64_t collections = 0;
  ListCollectionsRequest list;
  list.page_size = static_cast<uint32_t>(limits.page_size_max);
  do {
    DIPTYCH_ASSIGN_OR_RETURN(const ListCollectionsResult page,
                             environment_.engine.ListCollections(call, list));
    collections += static_cast<int64_t>(page.collections.size());
    list.page_token = page.next_page_token;
  } while (!list.page_token.empty());
  response.set_collections(collections);
  return absl::OkStatus();
}

}  // namespace diptych::storage
