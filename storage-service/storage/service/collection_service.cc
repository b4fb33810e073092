#include "storage/service/collection_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/service/collection_conversion.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {
namespace {

constexpr char kEfSearchPath[] = "vector_spaces.hnsw.ef_search";
constexpr char kChangeablePaths[] =
    "name, metadata, vector_spaces.hnsw.ef_search, uri_images";

absl::StatusOr<UpdateCollectionRequest> UpdateFromProto(
    const v1::UpdateCollectionRequest& request) {
  UpdateCollectionRequest update;
  update.name = request.name();
  FieldViolations violations;
  if (request.update_mask().paths().empty()) {
    violations.Add(
        "update_mask",
        absl::StrCat("is empty; name what to change: ", kChangeablePaths));
  }
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "name") {
      update.new_name = request.collection().name();
    } else if (path == "metadata") {
      update.metadata = PropertiesFromProto(request.collection().metadata(),
                                            "collection.metadata", violations);
    } else if (path == kEfSearchPath) {
      const CollectionSpec spec = CollectionSpecFromProto(
          request.collection(), "collection", violations);
      for (const VectorSpace& space : spec.vector_spaces) {
        update.ef_search_by_space.emplace(space.name, space.hnsw.ef_search);
      }
    } else if (path == "uri_images") {
      update.uri_images =
          UriImagesFromProto(request.collection().uri_images(),
                             "collection.uri_images", violations);
    } else {
      violations.Add("update_mask",
                     absl::StrCat("names \"", path,
                                  "\", which cannot be changed; what can: ",
                                  kChangeablePaths));
    }
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  return update;
}

v1::CollectionStats StatsToProto(const CollectionStats& stats) {
  v1::CollectionStats out;
  out.set_objects(static_cast<int64_t>(stats.objects));
  out.set_disk_bytes(static_cast<int64_t>(stats.disk_bytes));
  out.set_images(static_cast<int64_t>(stats.images));
  for (const VectorSpaceStats& space : stats.vector_spaces) {
    v1::VectorSpaceStats* added = out.add_vector_spaces();
    added->set_name(space.name);
    added->set_vectors(static_cast<int64_t>(space.vectors));
    added->set_dimension(static_cast<int32_t>(space.dimension));
    added->set_index_state(space.building ? v1::INDEX_STATE_BUILDING
                                          : v1::INDEX_STATE_READY);
    added->set_index_bytes(static_cast<int64_t>(space.index_bytes));
    added->set_model_fingerprint(space.model_fingerprint);
  }
  return out;
}

}  // namespace

CollectionService::CollectionService(const ServiceEnvironment& environment)
    : environment_(environment),
      create_metrics_(environment.metrics,
                      "CollectionService/CreateCollection"),
      get_metrics_(environment.metrics, "CollectionService/GetCollection"),
      list_metrics_(environment.metrics, "CollectionService/ListCollections"),
      update_metrics_(environment.metrics,
                      "CollectionService/UpdateCollection"),
      delete_metrics_(environment.metrics,
                      "CollectionService/DeleteCollection"),
      stats_metrics_(environment.metrics,
                     "CollectionService/GetCollectionStats") {}

grpc::ServerUnaryReactor* CollectionService::CreateCollection(
    grpc::CallbackServerContext* context,
    const v1::CreateCollectionRequest* request,
    v1::CreateCollectionResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &create_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_RETURN_IF_ERROR(environment_.AdmitMemory());
        FieldViolations violations;
        CreateCollectionRequest create;
        create.spec = CollectionSpecFromProto(request->collection(),
                                              "collection", violations);
        create.get_or_create = request->get_or_create();
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        const auto result = environment_.engine.CreateCollection(call, create);
        if (!result.ok())
          return RenameFields(result.status(), "spec.", "collection.");
        *response->mutable_collection() = CollectionToProto(result->collection);
        response->set_created(result->created);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::GetCollection(
    grpc::CallbackServerContext* context,
    const v1::GetCollectionRequest* request,
    v1::GetCollectionResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &get_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto collection,
            environment_.engine.GetCollection(call, request->name()));
        *response->mutable_collection() = CollectionToProto(collection);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::ListCollections(
    grpc::CallbackServerContext* context,
    const v1::ListCollectionsRequest* request,
    v1::ListCollectionsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &list_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        FieldViolations violations;
        ListCollectionsRequest list;
        list.page_size = PageSizeFromProto(request->page_size(), violations);
        list.page_token = request->page_token();
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto result, environment_.engine.ListCollections(call, list));
        for (const Collection& collection : result.collections) {
          *response->add_collections() = CollectionToProto(collection);
        }
        response->set_next_page_token(result.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::UpdateCollection(
    grpc::CallbackServerContext* context,
    const v1::UpdateCollectionRequest* request,
    v1::UpdateCollectionResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &update_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(const auto update, UpdateFromProto(*request));
        const auto collection =
            environment_.engine.UpdateCollection(call, update);
        if (!collection.ok())
          return RenameFields(
              RenameFields(collection.status(), "new_name", "collection.name"),
              "metadata", "collection.metadata");
        *response->mutable_collection() = CollectionToProto(*collection);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::DeleteCollection(
    grpc::CallbackServerContext* context,
    const v1::DeleteCollectionRequest* request, v1::DeleteCollectionResponse*) {
  return RunUnaryCall(
      context, {.metrics = &delete_metrics_}, environment_.writes,
      [this, request](const CallContext& call) {
        return environment_.engine.DeleteCollection(call, request->name());
      });
}

grpc::ServerUnaryReactor* CollectionService::GetCollectionStats(
    grpc::CallbackServerContext* context,
    const v1::GetCollectionStatsRequest* request,
    v1::GetCollectionStatsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &stats_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto stats,
            environment_.engine.GetCollectionStats(call, request->name()));
        *response->mutable_stats() = StatsToProto(stats);
        return absl::OkStatus();
      });
}

}  // namespace diptych::storage
