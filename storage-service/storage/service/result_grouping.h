// Sorts a ranking into groups by a property's value and keeps the best of each.
//
// Concurrency: one thread at a time per object. Limits: none.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// Operation: objects are added best first; groups come in the order of their
// first object. Values are one group that a filter's == finds equal: 1 and 1.0
// are, 1 and '1' are not. Null, lists, places and pictures make no group.
// Concurrency: one thread at a time. Limits: `groups_max` groups of
// `group_size` objects are kept.
class ResultGrouping {
 public:
  struct Group {
    std::vector<size_t> positions;  // best first
  };

  ResultGrouping(size_t groups_max, size_t group_size)
      : groups_max_(groups_max), group_size_(group_size) {}

  // `value` is null where the object lacks the property.
  void Add(size_t position, const PropertyValue* value);

  // As many groups as wanted, each of full size: nothing that is added changes
  // them any more.
  bool Full() const {
    return groups_.size() == groups_max_ && full_groups_ == groups_max_;
  }
  const std::vector<Group>& groups() const { return groups_; }

 private:
  const size_t groups_max_;
  const size_t group_size_;
  std::vector<Group> groups_;
  std::map<FilterOperand, size_t> group_of_value_;
  size_t full_groups_ = 0;
};

}  // namespace diptych::storage
