#include "storage/filter/filter_evaluator.h"

#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "common/status/status_macros.h"
#include "storage/filter/pattern.h"
#include "storage/filter/value_comparison.h"

namespace diptych::storage {
namespace {

using Patterns =
    absl::flat_hash_map<const MatchesFilter*, std::unique_ptr<re2::RE2>>;

absl::Status CompilePatterns(const Filter& filter, Patterns& patterns) {
  if (const auto* matches = std::get_if<MatchesFilter>(&filter.node)) {
    DIPTYCH_ASSIGN_OR_RETURN(patterns[matches],
                             CompilePattern(matches->pattern));
    return absl::OkStatus();
  }
  const std::vector<Filter>* children = nullptr;
  if (const auto* all = std::get_if<AndFilter>(&filter.node)) {
    children = &all->children;
  } else if (const auto* any = std::get_if<OrFilter>(&filter.node)) {
    children = &any->children;
  } else if (const auto* negation = std::get_if<NotFilter>(&filter.node)) {
    children = &negation->child;
  }
  if (children == nullptr) return absl::OkStatus();
  for (const Filter& child : *children) {
    DIPTYCH_RETURN_IF_ERROR(CompilePatterns(child, patterns));
  }
  return absl::OkStatus();
}

bool Holds(CompareOperator op, const PropertyValue& value,
           const FilterOperand& operand) {
  switch (op) {
    case CompareOperator::kEqual:
      return ValueEquals(value, operand);
    case CompareOperator::kNotEqual:
      return !ValueEquals(value, operand);
    case CompareOperator::kLess:
      return CompareValue(value, operand) < 0;
    case CompareOperator::kLessOrEqual:
      return CompareValue(value, operand) <= 0;
    case CompareOperator::kGreater:
      return CompareValue(value, operand) > 0;
    case CompareOperator::kGreaterOrEqual:
      return CompareValue(value, operand) >= 0;
  }
  return false;
}

// Walks the tree for one object.
class Evaluation {
 public:
  Evaluation(const Patterns& patterns, absl::string_view id,
             const Properties& properties)
      : patterns_(patterns), id_(id), properties_(properties) {}

  bool Matches(const Filter& filter) const {
    return std::visit([this](const auto& node) { return (*this)(node); },
                      filter.node);
  }

  bool operator()(const AndFilter& node) const {
    return std::all_of(node.children.begin(), node.children.end(),
                       [this](const Filter& child) { return Matches(child); });
  }
  bool operator()(const OrFilter& node) const {
    return std::any_of(node.children.begin(), node.children.end(),
                       [this](const Filter& child) { return Matches(child); });
  }
  bool operator()(const NotFilter& node) const {
    return !Matches(node.child.front());
  }
  bool operator()(const CompareFilter& node) const {
    return Holds(node.op, ValueOf(node.property), node.operand);
  }
  bool operator()(const InFilter& node) const {
    const PropertyValue& value = ValueOf(node.property);
    const bool found = std::any_of(node.operands.begin(), node.operands.end(),
                                   [&value](const FilterOperand& operand) {
                                     return ValueEquals(value, operand);
                                   });
    return found != node.negated;
  }
  bool operator()(const ContainsFilter& node) const {
    return ValueContains(ValueOf(node.property), node.operand) != node.negated;
  }
  bool operator()(const MatchesFilter& node) const {
    const auto* text = std::get_if<std::string>(&ValueOf(node.property));
    const bool found =
        text != nullptr && re2::RE2::PartialMatch(*text, *patterns_.at(&node));
    return found != node.negated;
  }
  bool operator()(const IsNullFilter& node) const {
    return std::holds_alternative<std::monostate>(ValueOf(node.property)) !=
           node.negated;
  }
  bool operator()(const IdInFilter& node) const {
    const bool found = std::any_of(
        node.ids.begin(), node.ids.end(),
        [this](const std::string& id) { return absl::string_view(id) == id_; });
    return found != node.negated;
  }
  bool operator()(const GeoDistanceFilter& node) const {
    const auto* point = std::get_if<GeoPoint>(&ValueOf(node.property));
    return point != nullptr &&
           DistanceMeters(*point, node.center) <= node.distance_meters_max;
  }

 private:
  // Null where the property is absent.
  const PropertyValue& ValueOf(const std::string& property) const {
    static const PropertyValue* const null = new PropertyValue;
    const auto found = properties_.find(property);
    return found == properties_.end() ? *null : found->second;
  }

  const Patterns& patterns_;
  const absl::string_view id_;
  const Properties& properties_;
};

}  // namespace

FilterEvaluator::FilterEvaluator(const Filter* filter, Patterns patterns)
    : filter_(filter), patterns_(std::move(patterns)) {}
FilterEvaluator::FilterEvaluator(FilterEvaluator&&) = default;
FilterEvaluator& FilterEvaluator::operator=(FilterEvaluator&&) = default;
FilterEvaluator::~FilterEvaluator() = default;

absl::StatusOr<FilterEvaluator> FilterEvaluator::Create(const Filter& filter) {
  Patterns patterns;
  DIPTYCH_RETURN_IF_ERROR(CompilePatterns(filter, patterns));
  return FilterEvaluator(&filter, std::move(patterns));
}

bool FilterEvaluator::Matches(absl::string_view id,
                              const Properties& properties) const {
  return Evaluation(patterns_, id, properties).Matches(*filter_);
}

}  // namespace diptych::storage
