#include "common/http/standard_routes.h"

#include <utility>

namespace diptych {

std::vector<HttpRoute> StandardRoutes(const MetricsRegistry& registry,
                                      std::function<bool()> ready) {
  return {
      {"GET", "/metrics",
       [&registry](const HttpRequest&) {
         return HttpResponse{200, registry.TextExposition(),
                             "text/plain; version=0.0.4; charset=utf-8"};
       }},
      {"GET", "/.well-known/live",
       [](const HttpRequest&) { return HttpResponse{204}; }},
      {"GET", "/.well-known/ready",
       [ready = std::move(ready)](const HttpRequest&) {
         if (ready()) return HttpResponse{204};
         return JsonError(503, "not ready to serve yet, or stopping");
       }},
  };
}

}  // namespace diptych
