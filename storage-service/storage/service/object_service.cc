#include "storage/service/object_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/service/answer_thumbnails.h"
#include "storage/service/filter_conversion.h"
#include "storage/service/object_conversion.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {
namespace {

template <typename Request>
absl::StatusOr<WriteObjectsResult> Write(const ServiceEnvironment& environment,
                                         const CallContext& call,
                                         const Request& request,
                                         WriteMode mode) {
  DIPTYCH_RETURN_IF_ERROR(environment.AdmitMemory());
  FieldViolations violations;
  WriteObjectsRequest write;
  write.collection = request.collection();
  write.mode = mode;
  write.objects = ObjectsFromProto(request.objects(), violations);
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  return environment.engine.WriteObjects(call, std::move(write));
}

// Whether the object brings its vectors, and no URI that may have to be loaded.
bool IsComplete(const v1::Object& object) {
  return !object.vectors().empty() &&
         std::none_of(object.properties().begin(), object.properties().end(),
                      [](const auto& property) {
                        const v1::Image& image = property.second.image_value();
                        return !image.uri().empty() && image.data().empty();
                      });
}

// Writes one page, and cuts it where its thumbnails would make it too large.
absl::Status ListPage(const ServiceEnvironment& environment,
                      const CallContext& call, ListObjectsRequest list,
                      int thumbnail_pixels, v1::ListObjectsResponse& response) {
  const Limits& limits = environment.engine.limits();
  for (;;) {
    DIPTYCH_ASSIGN_OR_RETURN(const auto page,
                             environment.engine.ListObjects(call, list));
    response.Clear();
    response.set_next_page_token(page.next_page_token);
    AnswerThumbnails thumbnails(environment, call, list.collection,
                                thumbnail_pixels, limits.answer_bytes_max);
    bool fits = true;
    for (const ObjectView& view : page.objects) {
      v1::Object& object = *response.add_objects() = ObjectToProto(view);
      DIPTYCH_RETURN_IF_ERROR(thumbnails.AddTo(object));
      // One object is a page, whatever its size.
      fits = thumbnails.bytes() <= limits.page_bytes_max ||
             response.objects_size() == 1;
      if (!fits) break;
    }
    if (fits) return absl::OkStatus();
    // The token of a page is the engine's: asked for as many as fit, it gives
    // theirs. What was made is remembered.
    list.page_size = static_cast<uint32_t>(response.objects_size() - 1);
  }
}

}  // namespace

ObjectService::ObjectService(const ServiceEnvironment& environment)
    : environment_(environment),
      insert_metrics_(environment.metrics, "ObjectService/InsertObjects"),
      upsert_metrics_(environment.metrics, "ObjectService/UpsertObjects"),
      update_metrics_(environment.metrics, "ObjectService/UpdateObjects"),
      delete_metrics_(environment.metrics, "ObjectService/DeleteObjects"),
      get_metrics_(environment.metrics, "ObjectService/GetObjects"),
      list_metrics_(environment.metrics, "ObjectService/ListObjects"),
      count_metrics_(environment.metrics, "ObjectService/CountObjects"),
      imports_(environment) {}

template <typename Request>
Executor& ObjectService::WriteExecutor(const Request& request) const {
  const bool complete = std::all_of(request.objects().begin(),
                                    request.objects().end(), IsComplete);
  return complete ? environment_.writes : environment_.vectorized_writes;
}

grpc::ServerUnaryReactor* ObjectService::InsertObjects(
    grpc::CallbackServerContext* context,
    const v1::InsertObjectsRequest* request,
    v1::InsertObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &insert_metrics_}, WriteExecutor(*request),
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto result,
            Write(environment_, call, *request, WriteMode::kInsert));
        for (const WrittenObject& object : result.objects) {
          response->add_ids(object.id);
          if (object.outcome == WriteOutcome::kKept)
            response->add_existing_ids(object.id);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ObjectService::UpsertObjects(
    grpc::CallbackServerContext* context,
    const v1::UpsertObjectsRequest* request,
    v1::UpsertObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &upsert_metrics_}, WriteExecutor(*request),
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto result,
            Write(environment_, call, *request, WriteMode::kUpsert));
        int64_t inserted = 0;
        for (const WrittenObject& object : result.objects) {
          response->add_ids(object.id);
          if (object.outcome == WriteOutcome::kCreated) ++inserted;
        }
        response->set_inserted_count(inserted);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ObjectService::UpdateObjects(
    grpc::CallbackServerContext* context,
    const v1::UpdateObjectsRequest* request,
    v1::UpdateObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &update_metrics_}, WriteExecutor(*request),
      [this, request, response](const CallContext& call) -> absl::Status {
        DIPTYCH_RETURN_IF_ERROR(environment_.AdmitMemory());
        FieldViolations violations;
        UpdateObjectsRequest update;
        update.collection = request->collection();
        update.objects = ObjectsFromProto(request->objects(), violations);
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto result,
            environment_.engine.UpdateObjects(call, std::move(update)));
        for (const std::string& id : result.missing_ids)
          response->add_missing_ids(id);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ObjectService::DeleteObjects(
    grpc::CallbackServerContext* context,
    const v1::DeleteObjectsRequest* request,
    v1::DeleteObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &delete_metrics_}, environment_.writes,
      [this, request, response](const CallContext& call) -> absl::Status {
        FieldViolations violations;
        DeleteObjectsRequest erase;
        erase.collection = request->collection();
        erase.ids.assign(request->ids().begin(), request->ids().end());
        erase.filter = RequestFilterFromProto(
            *request, "", environment_.engine.limits(), violations);
        erase.limit =
            static_cast<uint64_t>(std::max<int64_t>(request->limit(), 0));
        if (request->limit() < 0)
          violations.Add("limit",
                         "is negative; give 0 for all, or how many at most");
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        DIPTYCH_ASSIGN_OR_RETURN(
            const auto result, environment_.engine.DeleteObjects(call, erase));
        response->set_deleted_count(static_cast<int64_t>(result.deleted));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ObjectService::GetObjects(
    grpc::CallbackServerContext* context, const v1::GetObjectsRequest* request,
    v1::GetObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &get_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        FieldViolations violations;
        GetObjectsRequest get;
        get.collection = request->collection();
        get.ids.assign(request->ids().begin(), request->ids().end());
        get.projection = ProjectionFromProto(request->projection(),
                                             "projection", violations);
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        DIPTYCH_ASSIGN_OR_RETURN(const auto result,
                                 environment_.engine.GetObjects(call, get));
        for (const ObjectView& view : result.objects)
          *response->add_objects() = ObjectToProto(view);
        for (const std::string& id : result.missing_ids)
          response->add_missing_ids(id);
        AnswerThumbnails thumbnails(
            environment_, call, get.collection,
            request->projection().thumbnail_pixels(),
            environment_.engine.limits().answer_bytes_max);
        for (v1::Object& object : *response->mutable_objects())
          DIPTYCH_RETURN_IF_ERROR(thumbnails.AddTo(object));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ObjectService::ListObjects(
    grpc::CallbackServerContext* context, const v1::ListObjectsRequest* request,
    v1::ListObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &list_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        FieldViolations violations;
        ListObjectsRequest list;
        list.collection = request->collection();
        list.filter = RequestFilterFromProto(
            *request, "", environment_.engine.limits(), violations);
        if (request->has_order_by()) {
          list.order_by = OrderBy{request->order_by().property(),
                                  request->order_by().descending()};
        }
        list.page_size = PageSizeFromProto(request->page_size(), violations);
        list.page_token = request->page_token();
        list.projection = ProjectionFromProto(request->projection(),
                                              "projection", violations);
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        return ListPage(environment_, call, std::move(list),
                        request->projection().thumbnail_pixels(), *response);
      });
}

grpc::ServerUnaryReactor* ObjectService::CountObjects(
    grpc::CallbackServerContext* context,
    const v1::CountObjectsRequest* request,
    v1::CountObjectsResponse* response) {
  return RunUnaryCall(
      context, {.metrics = &count_metrics_}, environment_.reads,
      [this, request, response](const CallContext& call) -> absl::Status {
        FieldViolations violations;
        CountObjectsRequest count;
        count.collection = request->collection();
        count.filter = RequestFilterFromProto(
            *request, "", environment_.engine.limits(), violations);
        DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
        DIPTYCH_ASSIGN_OR_RETURN(const uint64_t result,
                                 environment_.engine.CountObjects(call, count));
        response->set_count(static_cast<int64_t>(result));
        return absl::OkStatus();
      });
}

grpc::ServerBidiReactor<v1::ImportObjectsRequest, v1::ImportObjectsResponse>*
ObjectService::ImportObjects(grpc::CallbackServerContext* context) {
  return imports_.Open(*context);
}

}  // namespace diptych::storage
