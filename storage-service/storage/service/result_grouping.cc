#include "storage/service/result_grouping.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace diptych::storage {
namespace {

struct GroupValue {
  // Whole doubles that an int64 holds are that int64.
  std::optional<FilterOperand> operator()(double value) const {
    if (value == std::floor(value) && value >= -0x1p63 && value < 0x1p63)
      return static_cast<int64_t>(value);
    return value;
  }
  std::optional<FilterOperand> operator()(bool value) const { return value; }
  std::optional<FilterOperand> operator()(int64_t value) const { return value; }
  std::optional<FilterOperand> operator()(const std::string& value) const {
    return value;
  }
  std::optional<FilterOperand> operator()(Timestamp value) const {
    return value;
  }
  template <typename T>
  std::optional<FilterOperand> operator()(const T&) const {
    return std::nullopt;
  }
};

}  // namespace

void ResultGrouping::Add(size_t position, const PropertyValue* value) {
  if (value == nullptr) return;
  const std::optional<FilterOperand> key = std::visit(GroupValue(), *value);
  if (!key.has_value()) return;
  auto found = group_of_value_.find(*key);
  if (found == group_of_value_.end()) {
    if (groups_.size() == groups_max_) return;
    found = group_of_value_.emplace(*key, groups_.size()).first;
    groups_.emplace_back();
  }
  std::vector<size_t>& positions = groups_[found->second].positions;
  if (positions.size() == group_size_) return;
  positions.push_back(position);
  if (positions.size() == group_size_) ++full_groups_;
}

}  // namespace diptych::storage
