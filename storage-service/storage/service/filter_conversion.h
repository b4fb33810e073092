// Conversion of the API's filters, tree or text, to the engine's.
//
// Concurrency: pure functions.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/filter.pb.h"
#include "storage/types/filter.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// Faults of form are added to `violations` under `path`
// ("filter.and.filters[1].comparison.value"). Depth is bounded by protobuf's
// own recursion limit; the engine checks its smaller limits.
Filter FilterFromProto(const v1::Filter& filter, absl::string_view path,
                       FieldViolations& violations);

// The one filter of a request that has the two fields `filter` and
// `filter_expression`, or none. A violation when both are given or the
// expression does not parse. `path` is the path of the message that has them
// ("" or "queries[1].").
template <typename Request>
std::optional<Filter> RequestFilterFromProto(const Request& request,
                                             absl::string_view path,
                                             const Limits& limits,
                                             FieldViolations& violations);

namespace internal {
std::optional<Filter> RequestFilterFromProto(const v1::Filter* filter,
                                             const std::string& expression,
                                             absl::string_view path,
                                             const Limits& limits,
                                             FieldViolations& violations);
}  // namespace internal

template <typename Request>
std::optional<Filter> RequestFilterFromProto(const Request& request,
                                             absl::string_view path,
                                             const Limits& limits,
                                             FieldViolations& violations) {
  return internal::RequestFilterFromProto(
      request.has_filter() ? &request.filter() : nullptr,
      request.filter_expression(), path, limits, violations);
}

}  // namespace diptych::storage
