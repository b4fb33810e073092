#include "storage/filter/filter_expression.h"

#include <cmath>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "storage/filter/filter_evaluator.h"
#include "storage/filter/filter_validation.h"
#include "storage/filter/random_filters.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

// The text of the tree that a text is parsed to.
std::string Reformat(absl::string_view text) {
  const auto filter = ParseFilterExpression(text, Limits());
  return filter.ok() ? FormatFilter(*filter) : filter.status().ToString();
}

std::string ErrorOf(absl::string_view text) {
  const auto filter = ParseFilterExpression(text, Limits());
  if (filter.ok()) return absl::StrCat("parsed: ", FormatFilter(*filter));
  EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldViolationsOf(filter.status()).at(0).field, "filter");
  return FieldViolationsOf(filter.status()).at(0).description;
}

TEST(FilterExpressionTest, ReadsEveryForm) {
  EXPECT_EQ(Reformat("price<500 and category=='clothing'"),
            "price < 500 AND category == 'clothing'");
  EXPECT_EQ(Reformat("tags contains 'red'"), "tags CONTAINS 'red'");
  EXPECT_EQ(Reformat("document MATCHES '^\\d+'"), "document MATCHES '^\\d+'");
  EXPECT_EQ(Reformat("id = 'a'"), "id IN ['a']");
  EXPECT_EQ(Reformat("id != \"a\""), "id NOT IN ['a']");
  EXPECT_EQ(Reformat("id IN ['a','b']"), "id IN ['a', 'b']");
  EXPECT_EQ(Reformat("`id` == 1"), "`id` == 1");
  EXPECT_EQ(Reformat("x is null OR y IS NOT NULL"),
            "x IS NULL OR y IS NOT NULL");
  EXPECT_EQ(Reformat("x NOT IN [1, 2.5, 'c', TRUE]"),
            "x NOT IN [1, 2.5, 'c', TRUE]");
  EXPECT_EQ(Reformat("x IN []"), "x IN []");
  EXPECT_EQ(Reformat("geo_distance(place, 48.1, 11.5) <= 1000"),
            "geo_distance(place, 48.1, 11.5) <= 1000.0");
  EXPECT_EQ(Reformat("t > timestamp('2026-01-01T01:00:00.5+01:00')"),
            "t > timestamp('2026-01-01T00:00:00.5Z')");
  EXPECT_EQ(Reformat("t > timestamp('2026-01-01')"),
            "t > timestamp('2026-01-01T00:00:00Z')");
  EXPECT_EQ(Reformat("`with space` == 'it''s'"), "`with space` == 'it''s'");
  EXPECT_EQ(Reformat("größe == -1"), "größe == -1");
  EXPECT_EQ(Reformat("x > -infinity"), "x > -INFINITY");
  EXPECT_EQ(Reformat("x == 1e3"), "x == 1000.0");
  EXPECT_EQ(Reformat("TRUE"), "TRUE");
}

TEST(FilterExpressionTest, AndBindsTighterThanOr) {
  EXPECT_EQ(Reformat("a == 1 OR b == 2 AND c == 3"),
            "a == 1 OR b == 2 AND c == 3");
  const auto filter =
      ParseFilterExpression("a == 1 OR b == 2 AND c == 3", Limits());
  const auto& either = std::get<OrFilter>(filter->node);
  ASSERT_EQ(either.children.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<AndFilter>(either.children[1].node));
  EXPECT_EQ(Reformat("(a == 1 OR b == 2) AND NOT (c == 3 AND d == 4)"),
            "(a == 1 OR b == 2) AND NOT (c == 3 AND d == 4)");
  EXPECT_EQ(Reformat("((a == 1))"), "a == 1");
  // NOT holds what follows it, not more.
  EXPECT_EQ(Reformat("NOT a == 1 AND b == 2"), "NOT a == 1 AND b == 2");
  EXPECT_TRUE(std::holds_alternative<AndFilter>(
      ParseFilterExpression("NOT a == 1 AND b == 2", Limits())->node));
}

TEST(FilterExpressionTest, StrictlyLessDistanceExcludesTheRim) {
  const auto filter =
      ParseFilterExpression("geo_distance(p, 0, 0) < 1000", Limits());
  const double meters =
      std::get<GeoDistanceFilter>(filter->node).distance_meters_max;
  EXPECT_LT(meters, 1000.0);
  EXPECT_EQ(std::nextafter(meters, 2000.0), 1000.0);
}

TEST(FilterExpressionTest, ErrorsPointAtTheColumn) {
  EXPECT_EQ(ErrorOf("price < AND x == 1"),
            "column 9: expected a value after '<', found 'AND'");
  EXPECT_EQ(ErrorOf(""),
            "column 1: expected a property, '(' or NOT, found the end");
  EXPECT_THAT(ErrorOf("größe <"), HasSubstr("column 8: "));
  EXPECT_THAT(ErrorOf("a == red"), HasSubstr("texts are quoted: 'text'"));
  EXPECT_THAT(ErrorOf("a == NULL"), HasSubstr("for null write IS NULL"));
  EXPECT_THAT(ErrorOf("a == 'x"), HasSubstr("column 6: expected the closing"));
  EXPECT_THAT(ErrorOf("a == 1 b == 2"),
              HasSubstr("column 8: expected AND, OR or the end"));
  EXPECT_THAT(ErrorOf("(a == 1"),
              HasSubstr("column 8: expected ')' to close '(', found the end"));
  EXPECT_THAT(ErrorOf("a IN 1"), HasSubstr("column 6: expected '['"));
  EXPECT_THAT(ErrorOf("a IN [1, ]"), HasSubstr("column 10: expected a value"));
  EXPECT_THAT(ErrorOf("a == 12abc"), HasSubstr("expected a number"));
  EXPECT_THAT(ErrorOf("a == 9223372036854775808"),
              HasSubstr("column 6: a number that fits in 64 bits"));
  EXPECT_THAT(ErrorOf("a == 1e999"), HasSubstr("fits in a double"));
  EXPECT_EQ(ErrorOf("a == '\xFF'"), "must be UTF-8; is not from byte 7 on");
  EXPECT_THAT(ErrorOf("a ; b"), HasSubstr("unexpected character ';'"));
  EXPECT_THAT(ErrorOf("a NOT == 1"), HasSubstr("after NOT, found '=='"));
  EXPECT_THAT(ErrorOf("id > 'a'"), HasSubstr("`id`"));
  EXPECT_THAT(ErrorOf("t == timestamp('yesterday')"),
              HasSubstr("column 16: expected a moment as in RFC 3339"));
  EXPECT_THAT(ErrorOf("t == timestamp('infinite-future')"),
              HasSubstr("found 'infinite-future'"));
  EXPECT_THAT(ErrorOf("geo_distance(p, 'x', 2) < 3"),
              HasSubstr("expected a number, the latitude"));
}

TEST(FilterExpressionTest, DepthIsLimitedNotTheStack) {
  const std::string deep = std::string(500'000, '(') + "a == 1";
  EXPECT_THAT(ErrorOf(deep), HasSubstr("column 33: parentheses and NOTs are at "
                                       "most 32 levels deep"));
  std::string nots;
  for (int i = 0; i < 100'000; ++i) nots += "NOT ";
  EXPECT_THAT(ErrorOf(nots + "a == 1"), HasSubstr("32 levels"));
  EXPECT_THAT(ErrorOf(std::string(2 << 20, ' ')), HasSubstr("1048576 bytes"));
  EXPECT_EQ(Reformat(std::string(31, '(') + "a == 1" + std::string(31, ')')),
            "a == 1");
}

TEST(FilterExpressionTest, RandomFiltersSurviveTheRoundTrip) {
  RandomFilters random(1);
  for (int i = 0; i < 5000; ++i) {
    const Filter filter = random.MakeFilter();
    const std::string text = FormatFilter(filter);
    const auto parsed = ParseFilterExpression(text, Limits());
    ASSERT_THAT(parsed, IsOk()) << text;
    ASSERT_EQ(FormatFilter(*parsed), text);
    ASSERT_THAT(ValidateFilter(*parsed, Limits()), IsOk()) << text;
    const auto before = FilterEvaluator::Create(filter);
    const auto after = FilterEvaluator::Create(*parsed);
    for (int object = 0; object < 5; ++object) {
      const std::string id = random.Id();
      const Properties properties = random.MakeProperties();
      ASSERT_EQ(after->Matches(id, properties), before->Matches(id, properties))
          << text;
    }
  }
}

TEST(FilterExpressionTest, DamagedTextsAreRefusedOrReadButNeverCrash) {
  RandomFilters random(2);
  size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = FormatFilter(random.MakeFilter());
    for (size_t change = 1 + random.Below(3); change > 0; --change) {
      const size_t at = random.Below(text.size());
      if (random.Chance(0.5)) {
        text.erase(at, 1 + random.Below(5));
      } else {
        text.insert(at, 1, static_cast<char>(random.Below(256)));
      }
      if (text.empty()) text = " ";
    }
    const auto filter = ParseFilterExpression(text, Limits());
    refused += !filter.ok();
    if (filter.ok()) FormatFilter(*filter);
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace diptych::storage
