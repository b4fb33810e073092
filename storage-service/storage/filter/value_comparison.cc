#include "storage/filter/value_comparison.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <variant>

namespace diptych::storage {
namespace {

constexpr double kEarthRadiusMeters = 6'371'008.8;
constexpr double kRadiansPerDegree = 3.14159265358979323846 / 180.0;

template <typename T>
constexpr bool kIsNumber =
    std::is_same_v<T, int64_t> || std::is_same_v<T, double>;

template <typename A, typename B>
std::partial_ordering Compare(A a, B b) {
  if constexpr (std::is_same_v<A, B>) {
    return a <=> b;
  } else if constexpr (std::is_same_v<A, int64_t>) {
    return CompareNumbers(a, b);
  } else {
    return 0 <=> CompareNumbers(b, a);
  }
}

template <typename A, typename B>
bool ScalarEquals(const A& value, const B& operand) {
  if constexpr (kIsNumber<A> && kIsNumber<B>) {
    return Compare(value, operand) == 0;
  } else if constexpr (std::is_same_v<A, B>) {
    return value == operand;
  } else {
    return false;
  }
}

template <typename T>
struct IsList : std::false_type {};
template <typename T>
struct IsList<std::vector<T>> : std::true_type {
  using Element = T;
};

template <typename List>
bool HasElement(const List& list, const FilterOperand& operand) {
  return std::visit(
      [&](const auto& wanted) {
        return std::any_of(list.begin(), list.end(),
                           [&](const typename IsList<List>::Element& element) {
                             return ScalarEquals(element, wanted);
                           });
      },
      operand);
}

}  // namespace

std::partial_ordering CompareNumbers(int64_t a, double b) {
  constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= kTwoTo63) return std::partial_ordering::less;
  if (b < -kTwoTo63) return std::partial_ordering::greater;
  const double whole = std::trunc(b);
  if (const auto order = a <=> static_cast<int64_t>(whole); order != 0) {
    return order;
  }
  return 0.0 <=> (b - whole);
}

std::partial_ordering CompareValue(const PropertyValue& value,
                                   const FilterOperand& operand) {
  return std::visit(
      [](const auto& a, const auto& b) -> std::partial_ordering {
        using A = std::decay_t<decltype(a)>;
        using B = std::decay_t<decltype(b)>;
        if constexpr (kIsNumber<A> && kIsNumber<B>) {
          return Compare(a, b);
        } else if constexpr (std::is_same_v<A, B> &&
                             (std::is_same_v<A, std::string> ||
                              std::is_same_v<A, Timestamp>)) {
          return a <=> b;
        } else {
          return std::partial_ordering::unordered;
        }
      },
      value, operand);
}

bool ValueEquals(const PropertyValue& value, const FilterOperand& operand) {
  return std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (IsList<A>::value) {
          return HasElement(a, operand);
        } else {
          return std::visit([&](const auto& b) { return ScalarEquals(a, b); },
                            operand);
        }
      },
      value);
}

bool ValueContains(const PropertyValue& value, const FilterOperand& operand) {
  return std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (IsList<A>::value) {
          return HasElement(a, operand);
        } else if constexpr (std::is_same_v<A, std::string>) {
          const auto* part = std::get_if<std::string>(&operand);
          return part != nullptr && a.find(*part) != std::string::npos;
        } else {
          return false;
        }
      },
      value);
}

double DistanceMeters(const GeoPoint& a, const GeoPoint& b) {
  const double latitude_a = a.latitude * kRadiansPerDegree;
  const double latitude_b = b.latitude * kRadiansPerDegree;
  const double sine_latitude = std::sin((latitude_b - latitude_a) / 2);
  const double sine_longitude =
      std::sin((b.longitude - a.longitude) * kRadiansPerDegree / 2);
  const double haversine = sine_latitude * sine_latitude +
                           std::cos(latitude_a) * std::cos(latitude_b) *
                               sine_longitude * sine_longitude;
  return 2 * kEarthRadiusMeters *
         std::asin(std::sqrt(std::min(1.0, haversine)));
}

}  // namespace diptych::storage
