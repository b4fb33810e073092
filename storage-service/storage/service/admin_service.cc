#include "storage/service/admin_service.h"

#include <utility>

#include "common/status/status_macros.h"
#include "common/time/clock.h"

namespace diptych::storage {

AdminService::AdminService(const ServiceEnvironment& environment,
                           ServerDescription description)
    : environment_(environment),
      description_(std::move(description)),
      info_metrics_(environment.metrics, "AdminService/GetServerInfo") {}

grpc::ServerUnaryReactor* AdminService::Flush(
    grpc::CallbackServerContext* context, const v1::FlushRequest*,
    v1::FlushResponse*) {
  return NotImplemented(context,
                        "Flush (an OK of a write is durable without it)");
}

grpc::ServerUnaryReactor* AdminService::CreateSnapshot(
    grpc::CallbackServerContext* context, const v1::CreateSnapshotRequest*,
    v1::CreateSnapshotResponse*) {
  return NotImplemented(context, "CreateSnapshot");
}

grpc::ServerUnaryReactor* AdminService::RestoreSnapshot(
    grpc::CallbackServerContext* context, const v1::RestoreSnapshotRequest*,
    v1::RestoreSnapshotResponse*) {
  return NotImplemented(context, "RestoreSnapshot");
}

grpc::ServerUnaryReactor* AdminService::CompactCollection(
    grpc::CallbackServerContext* context, const v1::CompactCollectionRequest*,
    v1::CompactCollectionResponse*) {
  return NotImplemented(context, "CompactCollection");
}

grpc::ServerUnaryReactor* AdminService::Reset(
    grpc::CallbackServerContext* context, const v1::ResetRequest*,
    v1::ResetResponse*) {
  return NotImplemented(context, "Reset");
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
