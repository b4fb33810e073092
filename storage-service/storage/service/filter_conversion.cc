#include "storage/service/filter_conversion.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/filter/filter_expression.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {
namespace {

std::vector<Filter> ListFromProto(const v1::FilterList& list,
                                  absl::string_view path,
                                  FieldViolations& violations) {
  std::vector<Filter> children;
  if (list.filters().empty())
    violations.Add(path, "has no filters; give at least one");
  for (int i = 0; i < list.filters_size(); ++i) {
    children.push_back(FilterFromProto(
        list.filters(i), absl::StrCat(path, ".filters[", i, "]"), violations));
  }
  return children;
}

Filter ComparisonFromProto(const v1::Comparison& comparison,
                           absl::string_view path,
                           FieldViolations& violations) {
  CompareFilter result;
  result.property = comparison.property();
  result.operand = OperandFromProto(comparison.value(),
                                    absl::StrCat(path, ".value"), violations);
  switch (comparison.operator_()) {
    case v1::COMPARISON_OPERATOR_EQUAL:
      result.op = CompareOperator::kEqual;
      break;
    case v1::COMPARISON_OPERATOR_NOT_EQUAL:
      result.op = CompareOperator::kNotEqual;
      break;
    case v1::COMPARISON_OPERATOR_LESS:
      result.op = CompareOperator::kLess;
      break;
    case v1::COMPARISON_OPERATOR_LESS_OR_EQUAL:
      result.op = CompareOperator::kLessOrEqual;
      break;
    case v1::COMPARISON_OPERATOR_GREATER:
      result.op = CompareOperator::kGreater;
      break;
    case v1::COMPARISON_OPERATOR_GREATER_OR_EQUAL:
      result.op = CompareOperator::kGreaterOrEqual;
      break;
    default:
      violations.Add(
          absl::StrCat(path, ".operator"),
          absl::StrCat("is ", static_cast<int>(comparison.operator_()),
                       "; give one of the COMPARISON_OPERATOR_ values"));
  }
  return Filter{std::move(result)};
}

Filter MembershipFromProto(const v1::Membership& membership,
                           absl::string_view path,
                           FieldViolations& violations) {
  InFilter result;
  result.property = membership.property();
  result.negated = membership.negated();
  if (membership.values().empty())
    violations.Add(absl::StrCat(path, ".values"),
                   "is empty; give at least one value");
  for (int i = 0; i < membership.values_size(); ++i) {
    result.operands.push_back(
        OperandFromProto(membership.values(i),
                         absl::StrCat(path, ".values[", i, "]"), violations));
  }
  return Filter{std::move(result)};
}

}  // namespace

Filter FilterFromProto(const v1::Filter& filter, absl::string_view path,
                       FieldViolations& violations) {
  switch (filter.node_case()) {
    case v1::Filter::kAnd:
      return Filter{AndFilter{ListFromProto(
          filter.and_(), absl::StrCat(path, ".and"), violations)}};
    case v1::Filter::kOr:
      return Filter{OrFilter{
          ListFromProto(filter.or_(), absl::StrCat(path, ".or"), violations)}};
    case v1::Filter::kNot: {
      NotFilter result;
      result.child.push_back(FilterFromProto(
          filter.not_(), absl::StrCat(path, ".not"), violations));
      return Filter{std::move(result)};
    }
    case v1::Filter::kComparison:
      return ComparisonFromProto(filter.comparison(),
                                 absl::StrCat(path, ".comparison"), violations);
    case v1::Filter::kIn:
      return MembershipFromProto(filter.in(), absl::StrCat(path, ".in"),
                                 violations);
    case v1::Filter::kContains:
      return Filter{ContainsFilter{
          filter.contains().property(),
          OperandFromProto(filter.contains().value(),
                           absl::StrCat(path, ".contains.value"), violations),
          filter.contains().negated()}};
    case v1::Filter::kMatches:
      return Filter{MatchesFilter{filter.matches().property(),
                                  filter.matches().pattern(),
                                  filter.matches().negated()}};
    case v1::Filter::kIsNull:
      return Filter{IsNullFilter{filter.is_null().property(),
                                 filter.is_null().negated()}};
    case v1::Filter::kIdIn:
      return Filter{
          IdInFilter{{filter.id_in().ids().begin(), filter.id_in().ids().end()},
                     filter.id_in().negated()}};
    case v1::Filter::kGeoDistance: {
      const v1::GeoDistance& geo = filter.geo_distance();
      return Filter{
          GeoDistanceFilter{geo.property(),
                            {geo.center().latitude(), geo.center().longitude()},
                            geo.distance_meters_max()}};
    }
    case v1::Filter::NODE_NOT_SET:
      break;
  }
  violations.Add(path,
                 "is empty; set one of its nodes, or leave the filter out to "
                 "match everything");
  return Filter{AndFilter{}};
}

namespace internal {

std::optional<Filter> RequestFilterFromProto(const v1::Filter* filter,
                                             const std::string& expression,
                                             absl::string_view path,
                                             const Limits& limits,
                                             FieldViolations& violations) {
  const std::string filter_path = absl::StrCat(path, "filter");
  const std::string expression_path = absl::StrCat(path, "filter_expression");
  if (filter != nullptr && !expression.empty()) {
    violations.Add(expression_path,
                   "is given beside filter; give one of the two");
    return std::nullopt;
  }
  if (filter != nullptr)
    return FilterFromProto(*filter, filter_path, violations);
  if (expression.empty()) return std::nullopt;
  absl::StatusOr<Filter> parsed = ParseFilterExpression(expression, limits);
  if (!parsed.ok()) {
    // The parser names its own field; here the expression has a longer path.
    for (const FieldViolation& violation : FieldViolationsOf(parsed.status())) {
      violations.Add(expression_path, violation.description);
    }
    return std::nullopt;
  }
  return *std::move(parsed);
}

}  // namespace internal
}  // namespace diptych::storage
