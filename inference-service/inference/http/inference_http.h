// The HTTP port of the inference service: its routes and its limits.
//
//   POST /vectorize, GET /meta           weaviate_routes.h
//   POST /v1/embeddings, GET /v1/models  openai_routes.h
//   GET /metrics, /.well-known/*         common/http/standard_routes.h
//
// Concurrency: Start and Stop by one thread.
// Limits: HttpServerOptions as inference_http.cc fills them: a body is as large
// as a gRPC message whose pictures are written in Base64.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/http/http_server.h"
#include "common/observability/metrics.h"
#include "inference/http/inference_api.h"

namespace diptych::inference {

class InferenceHttp {
 public:
  // `models` is read once `loaded` says so; `ready` is what
  // /.well-known/ready tells. All of them, and `metrics`, outlive the port.
  // HttpServer::Start's errors.
  static absl::StatusOr<std::unique_ptr<InferenceHttp>> Start(
      absl::string_view address, const ModelSet& models,
      std::function<bool()> loaded, std::function<bool()> ready,
      MetricsRegistry& metrics);

  int port() const { return server_->port(); }

  // Answers the requests that run. Pipelines must still work. May be called
  // twice.
  void Stop() { server_->Stop(); }

 private:
  InferenceHttp(const ModelSet& models, std::function<bool()> loaded,
                MetricsRegistry& metrics)
      : api_(models, std::move(loaded), metrics) {}

  const InferenceApi api_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace diptych::inference
