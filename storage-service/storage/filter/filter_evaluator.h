// Decides whether one object matches a filter: the meaning of filters (see
// storage/types/filter.h) as code, which every index must agree with.
//
// Operation: Create compiles the regular expressions; Matches walks the tree.
// Concurrency: Matches may be called from any number of threads.
// Limits: the filter must be valid (ValidateFilter) and outlive the evaluator.
#pragma once

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace re2 {
class RE2;
}

namespace diptych::storage {

class FilterEvaluator {
 public:
  // INVALID_ARGUMENT: a regular expression that RE2 refuses.
  static absl::StatusOr<FilterEvaluator> Create(const Filter& filter);
  FilterEvaluator(FilterEvaluator&&);
  FilterEvaluator& operator=(FilterEvaluator&&);
  ~FilterEvaluator();

  bool Matches(absl::string_view id, const Properties& properties) const;

 private:
  using Patterns =
      absl::flat_hash_map<const MatchesFilter*, std::unique_ptr<re2::RE2>>;
  FilterEvaluator(const Filter* filter, Patterns patterns);

  const Filter* filter_;
  Patterns patterns_;
};

}  // namespace diptych::storage
