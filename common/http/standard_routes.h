// The routes that every server's HTTP port has:
//
//   GET /metrics             200, Prometheus text
//   GET /.well-known/live    204 while the process answers
//   GET /.well-known/ready   204 when ready to serve, else 503
//
// Concurrency: a free function. Limits: none of its own.
#pragma once

#include <functional>
#include <vector>

#include "common/http/http_message.h"
#include "common/observability/metrics.h"

namespace diptych {

// `registry` and what `ready` reads must outlive the server; `ready` is called
// from any thread.
std::vector<HttpRoute> StandardRoutes(const MetricsRegistry& registry,
                                      std::function<bool()> ready);

}  // namespace diptych
