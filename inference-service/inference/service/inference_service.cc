#include "inference/service/inference_service.h"

#include <utility>
#include <vector>

#include "common/rpc/unary_call.h"
#include "inference/service/vectorize_stream.h"

namespace diptych::inference {

InferenceServiceImpl::InferenceServiceImpl(const ModelSet& models,
                                           const ServiceLimits& limits,
                                           MetricsRegistry& metrics)
    : models_(models),
      limits_(limits),
      vectorize_metrics_(metrics, "Vectorize"),
      stream_metrics_(metrics, "VectorizeStream"),
      list_models_metrics_(metrics, "ListModels"),
      get_model_metrics_(metrics, "GetModel") {}

grpc::ServerUnaryReactor* InferenceServiceImpl::Vectorize(
    grpc::CallbackServerContext* context, const v1::VectorizeRequest* request,
    v1::VectorizeResponse* response) {
  return StartUnaryCall(
      context, {.metrics = &vectorize_metrics_},
      [this, request, response](const CallContext& call, UnaryCallDone done) {
        const auto pipeline = models_.Find(request->model());
        if (!pipeline.ok()) return std::move(done)(pipeline.status());
        const auto priority =
            ToPriority(request->priority(), Priority::kInteractive);
        if (!priority.ok()) return std::move(done)(priority.status());
        // The pipeline lives as long as a request of it.
        ModelPipeline& model = **pipeline;
        model.Vectorize(
            ToPipelineInputs(*request), *priority, call,
            [&model, response, done = std::move(done)](
                absl::StatusOr<std::vector<PipelineOutput>> outputs) mutable {
              if (outputs.ok()) FillResponse(model.info(), *outputs, *response);
              std::move(done)(outputs.status());
            });
      });
}

grpc::ServerBidiReactor<v1::VectorizeStreamRequest,
                        v1::VectorizeStreamResponse>*
InferenceServiceImpl::VectorizeStream(grpc::CallbackServerContext* context) {
  // Owns itself until gRPC calls OnDone.
  auto* const stream = new class VectorizeStream(
      models_, DeadlineOf(*context), kStreamInputsMax, stream_metrics_);
  stream->Begin();
  return stream;
}

grpc::ServerUnaryReactor* InferenceServiceImpl::ListModels(
    grpc::CallbackServerContext* context, const v1::ListModelsRequest*,
    v1::ListModelsResponse* response) {
  return StartUnaryCall(
      context, {.metrics = &list_models_metrics_},
      [this, response](const CallContext&, UnaryCallDone done) {
        const ModelSet::Pipelines all = models_.all();
        for (const auto& pipeline : all) {
          FillModel(pipeline->info(), pipeline == all.front(),
                    *response->add_models());
        }
        std::move(done)(absl::OkStatus());
      });
}

grpc::ServerUnaryReactor* InferenceServiceImpl::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::GetModelResponse* response) {
  return StartUnaryCall(
      context, {.metrics = &get_model_metrics_},
      [this, request, response](const CallContext&, UnaryCallDone done) {
        const auto pipeline = models_.Find(request->name());
        if (!pipeline.ok()) return std::move(done)(pipeline.status());
        FillModel((*pipeline)->info(), *pipeline == models_.all().front(),
                  *response->mutable_model());
        FillLimits(**pipeline, limits_, *response->mutable_limits());
        std::move(done)(absl::OkStatus());
      });
}

}  // namespace diptych::inference
