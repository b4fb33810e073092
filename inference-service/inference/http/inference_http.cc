#include "inference/http/inference_http.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/http/standard_routes.h"
#include "common/status/status_macros.h"
#include "inference/http/openai_routes.h"
#include "inference/http/weaviate_routes.h"

namespace diptych::inference {
namespace {

// Each request that is computed holds one. Weaviate has two requests per core
// of each of its nodes on the way.
constexpr int kThreads = 128;
// 64 MiB in Base64, and 1 MiB for what is around it.
constexpr size_t kBodyBytesMax = (size_t{64} << 20) / 3 * 4 + (size_t{1} << 20);
constexpr size_t kBodyBytesTotalMax = size_t{512} << 20;
// Go's clients, Weaviate among them, keep connections for 90 s.
constexpr absl::Duration kKeepAlive = absl::Seconds(180);

void Append(std::vector<HttpRoute> from, std::vector<HttpRoute>& to) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceHttp>> InferenceHttp::Start(
    absl::string_view address, const ModelSet& models,
    std::function<bool()> loaded, std::function<bool()> ready,
    MetricsRegistry& metrics) {
  std::unique_ptr<InferenceHttp> http(
      new InferenceHttp(models, std::move(loaded), metrics));
  HttpServerOptions options;
  options.address = std::string(address);
  options.threads = kThreads;
  options.body_bytes_max = kBodyBytesMax;
  options.body_bytes_total_max = kBodyBytesTotalMax;
  options.keep_alive = kKeepAlive;
  options.error_response = [](absl::string_view path, int status,
                              absl::string_view message) {
    return absl::StartsWith(path, "/v1/") ? OpenAiError(status, message)
                                          : JsonError(status, message);
  };
  std::vector<HttpRoute> routes = StandardRoutes(metrics, std::move(ready));
  Append(WeaviateRoutes(http->api_), routes);
  Append(OpenAiRoutes(http->api_), routes);
  DIPTYCH_ASSIGN_OR_RETURN(
      http->server_,
      HttpServer::Start(std::move(options), std::move(routes), metrics));
  return http;
}

}  // namespace diptych::inference
