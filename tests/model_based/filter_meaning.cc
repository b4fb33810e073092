#include "tests/model_based/filter_meaning.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace diptych::storage {
namespace {

using Properties = std::map<std::string, v1::Value>;

// 64 bits of mantissa or more hold every int64 and every double.
static_assert(std::numeric_limits<long double>::digits >= 64);

std::optional<long double> NumberOf(const v1::Value& value) {
  if (value.has_integer_value()) return value.integer_value();
  if (value.has_double_value()) return value.double_value();
  return std::nullopt;
}

int64_t MicrosecondsOf(const google::protobuf::Timestamp& timestamp) {
  return timestamp.seconds() * 1'000'000 + timestamp.nanos() / 1000;
}

// -1, 0, 1; nothing where the two have no order.
std::optional<int> Order(const v1::Value& a, const v1::Value& b) {
  const auto sign = [](const auto& x, const auto& y) {
    return x < y ? -1 : x > y ? 1 : 0;
  };
  if (NumberOf(a).has_value() && NumberOf(b).has_value())
    return sign(*NumberOf(a), *NumberOf(b));
  if (a.has_text_value() && b.has_text_value())
    return sign(a.text_value(), b.text_value());
  if (a.has_timestamp_value() && b.has_timestamp_value()) {
    return sign(MicrosecondsOf(a.timestamp_value()),
                MicrosecondsOf(b.timestamp_value()));
  }
  return std::nullopt;
}

bool ScalarsEqual(const v1::Value& a, const v1::Value& b) {
  if (a.has_bool_value() && b.has_bool_value())
    return a.bool_value() == b.bool_value();
  return Order(a, b) == 0;
}

bool IsList(const v1::Value& value) {
  return value.has_bool_list() || value.has_integer_list() ||
         value.has_double_list() || value.has_text_list() ||
         value.has_timestamp_list();
}

std::vector<v1::Value> ElementsOf(const v1::Value& value) {
  std::vector<v1::Value> elements;
  for (const bool element : value.bool_list().values())
    elements.emplace_back().set_bool_value(element);
  for (const int64_t element : value.integer_list().values())
    elements.emplace_back().set_integer_value(element);
  for (const double element : value.double_list().values())
    elements.emplace_back().set_double_value(element);
  for (const std::string& element : value.text_list().values())
    elements.emplace_back().set_text_value(element);
  for (const auto& element : value.timestamp_list().values())
    *elements.emplace_back().mutable_timestamp_value() = element;
  return elements;
}

bool Equals(const v1::Value& value, const v1::Value& operand) {
  if (!IsList(value)) return ScalarsEqual(value, operand);
  const std::vector<v1::Value> elements = ElementsOf(value);
  return std::any_of(elements.begin(), elements.end(),
                     [&](const auto& e) { return ScalarsEqual(e, operand); });
}

bool Contains(const v1::Value& value, const v1::Value& operand) {
  if (IsList(value)) return Equals(value, operand);
  return value.has_text_value() && operand.has_text_value() &&
         value.text_value().find(operand.text_value()) != std::string::npos;
}

bool Compares(const v1::Comparison& comparison, const v1::Value& value) {
  const std::optional<int> order = Order(value, comparison.value());
  switch (comparison.operator_()) {
    case v1::COMPARISON_OPERATOR_EQUAL:
      return Equals(value, comparison.value());
    case v1::COMPARISON_OPERATOR_NOT_EQUAL:
      return !Equals(value, comparison.value());
    case v1::COMPARISON_OPERATOR_LESS:
      return order.has_value() && *order < 0;
    case v1::COMPARISON_OPERATOR_LESS_OR_EQUAL:
      return order.has_value() && *order <= 0;
    case v1::COMPARISON_OPERATOR_GREATER:
      return order.has_value() && *order > 0;
    default:
      return order.has_value() && *order >= 0;
  }
}

// By the chord between the two points on the sphere.
double Meters(const v1::GeoPoint& a, const v1::GeoPoint& b) {
  const auto point = [](const v1::GeoPoint& place) {
    const double degree = std::acos(-1.0) / 180;
    const double latitude = place.latitude() * degree;
    const double longitude = place.longitude() * degree;
    return std::vector<double>{std::cos(latitude) * std::cos(longitude),
                               std::cos(latitude) * std::sin(longitude),
                               std::sin(latitude)};
  };
  double square = 0;
  for (int i = 0; i < 3; ++i) square += std::pow(point(a)[i] - point(b)[i], 2);
  return 2 * 6'371'008.8 * std::asin(std::min(1.0, std::sqrt(square) / 2));
}

}  // namespace

bool FilterMatches(const v1::Filter& filter, const std::string& id,
                   const Properties& properties) {
  const auto matches = [&](const v1::Filter& child) {
    return FilterMatches(child, id, properties);
  };
  const auto value = [&](const std::string& property) {
    const auto found = properties.find(property);
    return found == properties.end() ? v1::Value() : found->second;
  };
  switch (filter.node_case()) {
    case v1::Filter::kAnd:
      return std::all_of(filter.and_().filters().begin(),
                         filter.and_().filters().end(), matches);
    case v1::Filter::kOr:
      return std::any_of(filter.or_().filters().begin(),
                         filter.or_().filters().end(), matches);
    case v1::Filter::kNot:
      return !matches(filter.not_());
    case v1::Filter::kComparison:
      return Compares(filter.comparison(),
                      value(filter.comparison().property()));
    case v1::Filter::kIn: {
      const v1::Value wanted = value(filter.in().property());
      return std::any_of(filter.in().values().begin(),
                         filter.in().values().end(), [&](const auto& member) {
                           return Equals(wanted, member);
                         }) != filter.in().negated();
    }
    case v1::Filter::kContains:
      return Contains(value(filter.contains().property()),
                      filter.contains().value()) != filter.contains().negated();
    case v1::Filter::kMatches: {
      const v1::Value text = value(filter.matches().property());
      return (text.has_text_value() &&
              RE2::PartialMatch(text.text_value(),
                                filter.matches().pattern())) !=
             filter.matches().negated();
    }
    case v1::Filter::kIsNull: {
      const auto kind = value(filter.is_null().property()).kind_case();
      return (kind == v1::Value::KIND_NOT_SET ||
              kind == v1::Value::kNullValue) != filter.is_null().negated();
    }
    case v1::Filter::kIdIn:
      return (std::find(filter.id_in().ids().begin(),
                        filter.id_in().ids().end(), id) !=
              filter.id_in().ids().end()) != filter.id_in().negated();
    case v1::Filter::kGeoDistance: {
      const v1::Value place = value(filter.geo_distance().property());
      return place.has_geo_point_value() &&
             Meters(place.geo_point_value(), filter.geo_distance().center()) <=
                 filter.geo_distance().distance_meters_max();
    }
    case v1::Filter::NODE_NOT_SET:
      return true;
  }
  return true;
}

}  // namespace diptych::storage
