// diptych.inference.v1.InferenceService on the callback API.
//
// Operation: checks and converts messages, and lets the models' pipelines do
// the work. The meaning of each method is in inference_service.proto.
// Concurrency: called on gRPC's threads, which no method blocks.
// Limits: kStreamInputsMax inputs in flight per stream; then the service stops
// reading, and HTTP/2 flow control slows the sender. A stream also stops
// reading while its next input waits for a place in the model's queue.
//
// A text that is not UTF-8 is refused by Protobuf before any method is called;
// gRPC answers such a message with UNIMPLEMENTED or INTERNAL by itself.
#pragma once

#include "common/observability/metrics.h"
#include "common/rpc/rpc_metrics.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"
#include "inference/pipeline/model_set.h"
#include "inference/service/proto_conversion.h"

namespace diptych::inference {

class InferenceServiceImpl final
    : public v1::InferenceService::CallbackService {
 public:
  static constexpr int kStreamInputsMax = 64;

  // All referenced objects outlive the service.
  InferenceServiceImpl(const ModelSet& models, const ServiceLimits& limits,
                       MetricsRegistry& metrics);

  grpc::ServerUnaryReactor* Vectorize(grpc::CallbackServerContext* context,
                                      const v1::VectorizeRequest* request,
                                      v1::VectorizeResponse* response) override;

  grpc::ServerBidiReactor<v1::VectorizeStreamRequest,
                          v1::VectorizeStreamResponse>*
  VectorizeStream(grpc::CallbackServerContext* context) override;

  grpc::ServerUnaryReactor* ListModels(
      grpc::CallbackServerContext* context,
      const v1::ListModelsRequest* request,
      v1::ListModelsResponse* response) override;

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;

 private:
  const ModelSet& models_;
  const ServiceLimits limits_;
  MethodMetrics vectorize_metrics_;
  MethodMetrics stream_metrics_;
  MethodMetrics list_models_metrics_;
  MethodMetrics get_model_metrics_;
};

}  // namespace diptych::inference
