// Which route serves a path, as cpp-httplib will find it too.
//
// Concurrency: filled at start, then only read. Limits: none of its own.
#pragma once

#include <regex>
#include <string>
#include <vector>

#include "common/http/http_message.h"

namespace diptych {

// The pattern of a route as a regular expression that matches whole paths, with
// one group per placeholder.
std::string RoutePatternToRegex(absl::string_view pattern);

class RouteTable {
 public:
  explicit RouteTable(std::vector<HttpRoute> routes);

  const std::vector<HttpRoute>& routes() const { return routes_; }

  // The first that fits, or null. HEAD is served by GET's routes.
  const HttpRoute* Find(const std::string& method,
                        const std::string& path) const;

  // The methods that `path` has routes for, as the header Allow lists them.
  std::string Allowed(const std::string& path) const;

 private:
  const std::vector<HttpRoute> routes_;
  std::vector<std::regex> regexes_;
};

}  // namespace diptych
