// Early return on errors, for functions that return absl::Status or
// absl::StatusOr.
//
//   DIPTYCH_RETURN_IF_ERROR(store->Commit());
//   DIPTYCH_ASSIGN_OR_RETURN(auto object, store->Get(id));
//
// Concurrency: none. The expressions are evaluated once.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define DIPTYCH_STATUS_CONCAT_INNER(a, b) a##b
#define DIPTYCH_STATUS_CONCAT(a, b) DIPTYCH_STATUS_CONCAT_INNER(a, b)

#define DIPTYCH_RETURN_IF_ERROR(expression)                               \
  do {                                                                    \
    if (absl::Status diptych_status = (expression); !diptych_status.ok()) \
      return diptych_status;                                              \
  } while (false)

#define DIPTYCH_ASSIGN_OR_RETURN(target, expression) \
  DIPTYCH_ASSIGN_OR_RETURN_IMPL(                     \
      DIPTYCH_STATUS_CONCAT(diptych_status_or_, __LINE__), target, expression)

#define DIPTYCH_ASSIGN_OR_RETURN_IMPL(status_or, target, expression) \
  auto status_or = (expression);                                     \
  if (!status_or.ok()) return std::move(status_or).status();         \
  target = *std::move(status_or)
