// The whole inference service in one object: models, pipelines, gRPC and HTTP.
//
// Operation: Start loads and warms up the models, then serves: clients find the
// port closed until the models are ready, while the HTTP port, which opens
// first, says "live" but not "ready". Reload loads all models anew beside those
// that serve, then exchanges them. Stop reports NOT_SERVING, drains both,
// and ends in the reverse order. Concurrency: Start, Reload and Stop by one
// thread; the server's threads are its own. Limits: InferenceServerOptions,
// PipelineLimits, GrpcServerOptions.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/concurrency/thread_pool.h"
#include "common/observability/metrics.h"
#include "common/rpc/grpc_server.h"
#include "inference/http/inference_http.h"
#include "inference/model/model.h"
#include "inference/pipeline/embedding_cache.h"
#include "inference/pipeline/model_set.h"
#include "inference/pipeline/priority_executor.h"
#include "inference/server/server_options.h"
#include "inference/service/inference_service.h"

namespace diptych::inference {

// Makes a model from its directory; chosen by the program, so that this library
// needs no LibTorch.
using ModelLoader = std::function<absl::StatusOr<Model>(
    const ModelSource& source, const InferenceServerOptions& options)>;

class InferenceServer {
 public:
  // INVALID_ARGUMENT for wrong options, the loader's errors, and UNAVAILABLE
  // when an address cannot be bound.
  static absl::StatusOr<std::unique_ptr<InferenceServer>> Start(
      const InferenceServerOptions& options, const ModelLoader& load_model);

  ~InferenceServer();
  InferenceServer(const InferenceServer&) = delete;
  InferenceServer& operator=(const InferenceServer&) = delete;

  // What gRPC clients dial.
  const std::string& address() const { return grpc_->address(); }
  // 0 without an HTTP port.
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }

  // Reads the model directories again. Requests that run end with the model
  // they began with, later ones get the new one, and none is refused. Needs
  // memory for both. The loader's errors, and then nothing has changed.
  absl::Status Reload();

  // Answers the calls in flight (see GrpcServer), then ends. May be called
  // twice.
  void Stop();

 private:
  InferenceServer(InferenceServerOptions options, ModelLoader load_model)
      : options_(std::move(options)), load_model_(std::move(load_model)) {}
  absl::Status StartServing();
  // All of them, warmed up and started, or the first error.
  absl::StatusOr<std::vector<std::unique_ptr<ModelPipeline>>> LoadModels();
  void LogModels() const;

  const InferenceServerOptions options_;
  const ModelLoader load_model_;
  // Counts what was loaded, so that no two models share entries of the cache.
  int64_t models_loaded_ = 0;
  // In the order in which they are made; what is used stands above its users.
  MetricsRegistry metrics_;
  // Also while draining.
  std::atomic<bool> loaded_{false};
  std::atomic<bool> ready_{false};
  std::unique_ptr<ThreadPool> cpu_threads_;
  std::unique_ptr<PriorityExecutor> cpu_stage_;
  // Null where nothing is kept.
  std::unique_ptr<EmbeddingCache> cache_;
  ModelSet models_;
  std::unique_ptr<InferenceHttp> http_;
  std::unique_ptr<InferenceServiceImpl> service_;
  std::unique_ptr<GrpcServer> grpc_;
};

// The main function of a program that serves: reads the command line, serves
// until SIGTERM or SIGINT, and returns the exit status.
int RunInferenceServer(int argc, const char* const* argv,
                       const ModelLoader& load_model);

}  // namespace diptych::inference
