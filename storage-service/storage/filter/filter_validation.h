// Says what is wrong with a filter before it is used.
//
// Operation: walks the tree once. It checks: depth; number of nodes and list
// members together; that NOT has exactly one child; names of properties; ids;
// operands (no NaN; no order among bools, hence no < on them); regular
// expressions (compiled by RE2 within a budget of memory); geo centres and
// distances.
// Concurrency: pure function.
// Limits: those of Limits and of pattern.h.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/types/filter.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// OK, or INVALID_ARGUMENT that names each wrong field by its path below `path`,
// e.g. "filter.and.filters[1].comparison.value" (names as in filter.proto).
absl::Status ValidateFilter(const Filter& filter, const Limits& limits,
                            absl::string_view path = "filter");

}  // namespace diptych::storage
