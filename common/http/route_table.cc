#include "common/http/route_table.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace diptych {

std::string RoutePatternToRegex(absl::string_view pattern) {
  std::string regex;
  while (!pattern.empty()) {
    if (pattern.front() == '{') {
      const size_t end = pattern.find('}');
      const bool rest = absl::EndsWith(pattern.substr(0, end), "...");
      regex += rest ? R"(([\s\S]+))" : R"(([^/]+))";
      pattern.remove_prefix(end == absl::string_view::npos ? pattern.size()
                                                           : end + 1);
      continue;
    }
    if (absl::StrContains(R"(.*+?^$()[]|\}/)", pattern.front())) regex += '\\';
    regex += pattern.front();
    pattern.remove_prefix(1);
  }
  return regex;
}

RouteTable::RouteTable(std::vector<HttpRoute> routes)
    : routes_(std::move(routes)) {
  for (const HttpRoute& route : routes_) {
    regexes_.emplace_back(RoutePatternToRegex(route.pattern));
  }
}

const HttpRoute* RouteTable::Find(const std::string& method,
                                  const std::string& path) const {
  const std::string wanted = method == "HEAD" ? "GET" : method;
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].method == wanted && std::regex_match(path, regexes_[i])) {
      return &routes_[i];
    }
  }
  return nullptr;
}

std::string RouteTable::Allowed(const std::string& path) const {
  std::string allowed;
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (std::regex_match(path, regexes_[i])) {
      absl::StrAppend(&allowed, allowed.empty() ? "" : ", ", routes_[i].method);
    }
  }
  return allowed;
}

}  // namespace diptych
