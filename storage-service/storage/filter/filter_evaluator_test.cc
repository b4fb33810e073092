#include "storage/filter/filter_evaluator.h"

#include <limits>
#include <string>

#include "common/testing/status_matchers.h"
#include "storage/filter/filter_expression.h"
#include "storage/filter/value_comparison.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

bool Matches(absl::string_view expression, const Properties& properties,
             absl::string_view id = "me") {
  const auto filter = ParseFilterExpression(expression, Limits());
  EXPECT_THAT(filter, IsOk());
  const auto evaluator = FilterEvaluator::Create(*filter);
  EXPECT_THAT(evaluator, IsOk());
  return evaluator->Matches(id, properties);
}

TEST(FilterEvaluatorTest, MissingNullAndOtherTypesMatchNegationsOnly) {
  const Properties null = {{"x", std::monostate()}};
  const Properties other = {{"x", true}};
  for (const Properties& object : {Properties(), null, other}) {
    for (const char* positive :
         {"x == 'a'", "x < 'a'", "x >= 0", "x IN ['a', 1]", "x CONTAINS 'a'",
          "x MATCHES 'a'", "geo_distance(x, 0, 0) <= 1e9"}) {
      EXPECT_FALSE(Matches(positive, object)) << positive;
    }
    for (const char* negative :
         {"x != 'a'", "x NOT IN ['a', 1]", "x NOT CONTAINS 'a'",
          "x NOT MATCHES 'a'", "NOT x < 'a'"}) {
      EXPECT_TRUE(Matches(negative, object)) << negative;
    }
  }
  EXPECT_TRUE(Matches("x IS NULL", null));
  EXPECT_TRUE(Matches("x IS NULL", {}));
  EXPECT_FALSE(Matches("x IS NULL", other));
}

TEST(FilterEvaluatorTest, NumbersOfBothKindsCompare) {
  const Properties object = {{"i", int64_t{2}}, {"d", 2.5}};
  EXPECT_TRUE(Matches("i == 2.0 AND i < 2.5 AND d > 2 AND d <= 2.5", object));
  EXPECT_FALSE(Matches("i == '2'", object));
  EXPECT_FALSE(Matches("i == TRUE", {{"i", int64_t{1}}}));
}

TEST(FilterEvaluatorTest, NaNMatchesNoComparison) {
  const Properties object = {{"x", std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_FALSE(Matches("x == 1 OR x < 1 OR x >= 1", object));
  EXPECT_TRUE(Matches("x != 1 AND x IS NOT NULL", object));
}

TEST(FilterEvaluatorTest, ListsMatchByAnyElement) {
  const Properties object = {{"tags", std::vector<std::string>{"red", "blue"}},
                             {"sizes", std::vector<int64_t>{38, 40}}};
  EXPECT_TRUE(Matches("tags == 'red' AND tags CONTAINS 'blue'", object));
  EXPECT_TRUE(Matches("sizes IN [1, 40.0]", object));
  // An element, not a part of one; and lists have no order.
  EXPECT_FALSE(Matches("tags CONTAINS 're'", object));
  EXPECT_FALSE(Matches("sizes > 0", object));
  EXPECT_FALSE(Matches("tags != 'red'", object));
}

TEST(FilterEvaluatorTest, TextsMatchByPartPatternAndOrder) {
  const Properties object = {{"t", std::string("Zebra crossing")}};
  EXPECT_TRUE(Matches("t CONTAINS 'cross' AND t MATCHES '^Z.*g$'", object));
  EXPECT_FALSE(Matches("t CONTAINS 'zebra'", object));
  EXPECT_TRUE(Matches("t < 'a'", object));  // by bytes
}

TEST(FilterEvaluatorTest, IdsTimesAndPlaces) {
  const Properties object = {{"at", Timestamp{1'767'225'600'000'000}},
                             {"place", GeoPoint{48.137154, 11.576124}}};
  EXPECT_TRUE(Matches("id == 'me' AND id NOT IN ['you']", object));
  EXPECT_TRUE(Matches("at == timestamp('2026-01-01T00:00:00Z')", object));
  EXPECT_TRUE(Matches("at < timestamp('2026-01-01T00:00:00.000001Z')", object));
  // Munich to Berlin is some 504 km.
  EXPECT_TRUE(Matches("geo_distance(place, 52.52, 13.405) < 510000", object));
  EXPECT_FALSE(Matches("geo_distance(place, 52.52, 13.405) < 500000", object));
}

TEST(FilterEvaluatorTest, EmptyConjunctionMatchesAllEmptyDisjunctionNone) {
  EXPECT_TRUE(Matches("TRUE", {}));
  EXPECT_FALSE(Matches("FALSE", {}));
}

TEST(ValueComparisonTest, NumbersCompareWithoutRounding) {
  const int64_t max = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE(CompareNumbers((int64_t{1} << 53) + 1, 9007199254740992.0) > 0);
  EXPECT_TRUE(CompareNumbers(max, 9223372036854775808.0) < 0);
  EXPECT_TRUE(CompareNumbers(std::numeric_limits<int64_t>::min(),
                             -9223372036854775808.0) == 0);
  EXPECT_TRUE(CompareNumbers(-1, -1.5) > 0);
  EXPECT_TRUE(CompareNumbers(0, -0.0) == 0);
  EXPECT_TRUE(CompareNumbers(0, -5e-324) > 0);
  EXPECT_TRUE(CompareNumbers(max, std::numeric_limits<double>::infinity()) < 0);
  EXPECT_FALSE(CompareNumbers(0, std::nan("")) == 0);
}

TEST(ValueComparisonTest, DistanceAcrossTheDateLineAndThePole) {
  EXPECT_NEAR(DistanceMeters({0, 179.5}, {0, -179.5}), 111'195, 1);
  EXPECT_NEAR(DistanceMeters({90, 0}, {90, 120}), 0, 1e-6);
  EXPECT_NEAR(DistanceMeters({0, 0}, {0, 180}), 20'015'115, 1);
}

}  // namespace
}  // namespace diptych::storage
