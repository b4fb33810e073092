// Random objects and filters over them, drawn from pools so small that filters
// match some objects and miss others.
//
// Operation: seeded. The pools hold what is easy to get wrong: whole doubles
// and integers beyond 2^53, NaN and infinities, texts too long to be indexed
// that differ in one character, lists, nulls, quotes and non-ASCII names.
// Concurrency: one thread.
// Limits: for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// What the values are drawn for.
enum class RandomValues {
  // Everything that the types can hold.
  kAny,
  // What a request may carry: no NaN, no time before the year 1 or after 9999.
  kOfRequests,
};

class RandomFilters {
 public:
  explicit RandomFilters(uint64_t seed,
                         RandomValues values = RandomValues::kAny)
      : random_(seed), values_(values) {}

  size_t Below(size_t end) { return random_() % end; }
  bool Chance(double share) {
    return std::uniform_real_distribution<>()(random_) < share;
  }

  Properties MakeProperties() {
    Properties properties;
    for (size_t i = Below(6); i > 0; --i) {
      properties[PropertyName()] = Value();
    }
    return properties;
  }

  // Valid (see ValidateFilter), at most `depth` levels deep.
  Filter MakeFilter(size_t depth = 4) {
    if (depth <= 1 || Chance(0.4)) return Leaf();
    switch (Below(5)) {
      case 0:
      case 1:
        return {AndFilter{Children(depth)}};
      case 2:
      case 3:
        return {OrFilter{Children(depth)}};
      default: {
        NotFilter negation;
        negation.child.push_back(MakeFilter(depth - 1));
        return {std::move(negation)};
      }
    }
  }

  std::string Id() { return Pick({"id-0", "id-1", "it's", "Ω", "id-4"}); }

  template <typename T>
  T PickFrom(const std::vector<T>& pool) {
    return pool[Below(pool.size())];
  }

 private:
  std::string Pick(const std::vector<std::string>& pool) {
    return PickFrom(pool);
  }

  std::string PropertyName() {
    return Pick({"a", "b.c", "größe", "id", "with space", "not", "`"});
  }
  std::string Text() {
    const std::string tail(300, 'x');
    return Pick({"", "red", "redder", "Red", "it's", "say \"x\"", "a\\d", "öl",
                 tail, tail + "y", "r" + tail});
  }
  int64_t Integer() {
    return PickFrom<int64_t>({-1, 0, 1, 2, (int64_t{1} << 53) + 1,
                              std::numeric_limits<int64_t>::max(),
                              std::numeric_limits<int64_t>::min()});
  }
  // Not NaN.
  double Double() {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return PickFrom<double>({-0.0, 0.0, 1.0, 1.5, 2.0, 9007199254740992.0,
                             9223372036854775808.0, -9223372036854775808.0,
                             1e300, 5e-324, kInfinity, -kInfinity});
  }
  Timestamp Time() {
    if (values_ == RandomValues::kOfRequests)
      return {PickFrom<int64_t>({-1, 0, 1, 1'767'225'600'000'000})};
    return {PickFrom<int64_t>({-1, 0, 1, 1'767'225'600'000'000,
                               std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()})};
  }
  GeoPoint Point() {
    return PickFrom<GeoPoint>(
        {{48.1, 11.5}, {48.2, 11.5}, {-90, 0}, {90, 180}, {0, -180}, {0, 180}});
  }
  template <typename T, typename Make>
  std::vector<T> List(Make make) {
    std::vector<T> list;
    for (size_t i = Below(4); i > 0; --i) list.push_back(make());
    return list;
  }

  PropertyValue Value() {
    switch (Below(14)) {
      case 0:
        return std::monostate();
      case 1:
        return Chance(0.5);
      case 2:
        return Integer();
      case 3:
        return values_ == RandomValues::kAny && Chance(0.1)
                   ? std::numeric_limits<double>::quiet_NaN()
                   : Double();
      case 4:
        return Time();
      case 5:
        return Point();
      case 6:
        return ImageReference{"", 3, "file:///x"};
      case 7:
        return List<bool>([this] { return Chance(0.5); });
      case 8:
        return List<int64_t>([this] { return Integer(); });
      case 9:
        return List<double>([this] { return Double(); });
      case 10:
        return List<std::string>([this] { return Text(); });
      case 11:
        return List<Timestamp>([this] { return Time(); });
      default:
        return Text();
    }
  }

  FilterOperand Operand() {
    switch (Below(6)) {
      case 0:
        return Chance(0.5);
      case 1:
        return Integer();
      case 2:
        return Double();
      case 3:
        return Time();
      default:
        return Text();
    }
  }

  std::vector<Filter> Children(size_t depth) {
    std::vector<Filter> children;
    for (size_t i = Below(4); i > 0; --i) {
      children.push_back(MakeFilter(depth - 1));
    }
    return children;
  }

  Filter Leaf() {
    switch (Below(9)) {
      case 0:
        return {InFilter{PropertyName(),
                         List<FilterOperand>([this] { return Operand(); }),
                         Chance(0.5)}};
      case 1:
        return {ContainsFilter{PropertyName(), Operand(), Chance(0.5)}};
      case 2:
        return {MatchesFilter{PropertyName(),
                              Pick({"^r", "(?i)red", "x{3}y$", "d+", "", "'"}),
                              Chance(0.5)}};
      case 3:
        return {IsNullFilter{PropertyName(), Chance(0.5)}};
      case 4:
        return {IdInFilter{List<std::string>([this] { return Id(); }),
                           Chance(0.5)}};
      case 5:
        return {GeoDistanceFilter{
            PropertyName(), Point(),
            PickFrom<double>({0, 11'119, 11'120, 1e7, 2.1e7})}};
      default: {
        FilterOperand operand = Operand();
        const bool ordered = !std::holds_alternative<bool>(operand);
        return {
            CompareFilter{PropertyName(),
                          static_cast<CompareOperator>(Below(ordered ? 6 : 2)),
                          std::move(operand)}};
      }
    }
  }

  std::mt19937_64 random_;
  const RandomValues values_;
};

}  // namespace diptych::storage
