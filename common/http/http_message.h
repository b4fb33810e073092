// A request and its answer, as handlers see them.
//
// Concurrency: value types.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace diptych {

struct HttpRequest {
  // Percent-decoded, without the query.
  std::string path;
  // What the placeholders of the route's pattern stand for, in order.
  std::vector<std::string> parameters;
  std::string body = {};
  // Whether the client has closed its side of the connection, so that nobody
  // waits for the answer. A handler that waits for long asks now and then; it
  // costs a system call. To be called on the handler's thread, until it
  // returns.
  std::function<bool()> hung_up = [] { return false; };
};

struct HttpResponse {
  int status = 200;
  // Sent without one when empty, as for 204.
  std::string body = {};
  std::string content_type = "application/json";
  // Becomes the header Retry-After, in whole seconds, at least 1.
  std::optional<absl::Duration> retry_after = {};
};

// Called from several threads at a time. May block: a route that does says so.
using HttpHandler = std::function<HttpResponse(HttpRequest request)>;

struct HttpRoute {
  // GET, POST, PUT, PATCH or DELETE; a GET answers HEAD too.
  std::string method;
  // "/v1/models/{model}": a placeholder is one segment of the path, or, written
  // "{model...}" at the end, the rest of it.
  std::string pattern;
  HttpHandler handler;
  // The handler waits for other work. Such requests leave
  // HttpServer::kThreadsForQuick threads to the others, so that health checks
  // are answered whatever the load.
  bool blocks = false;
};

// The answer to what the server itself refuses: no such route, a body too
// large, a server too busy. `message` is for people.
using HttpErrorResponse = std::function<HttpResponse(
    absl::string_view path, int status, absl::string_view message)>;

// {"error": message}.
HttpResponse JsonError(int status, absl::string_view message);

}  // namespace diptych
