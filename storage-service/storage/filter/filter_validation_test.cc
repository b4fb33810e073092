#include "storage/filter/filter_validation.h"

#include <cmath>
#include <string>

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

// The field of the only violation.
std::string FieldOf(const Filter& filter, const Limits& limits = Limits()) {
  const absl::Status status = ValidateFilter(filter, limits);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto violations = FieldViolationsOf(status);
  EXPECT_EQ(violations.size(), 1u) << status;
  return violations.empty() ? "" : violations[0].field;
}

Filter Nested(size_t nots) {
  Filter filter = {IsNullFilter{"x"}};
  for (size_t i = 0; i < nots; ++i) {
    NotFilter outer;
    outer.child.push_back(std::move(filter));
    filter = {std::move(outer)};
  }
  return filter;
}

TEST(FilterValidationTest, NamesEveryWrongFieldByItsPath) {
  AndFilter both;
  both.children.push_back({CompareFilter{"x", {}, std::nan("")}});
  both.children.push_back({InFilter{"", {int64_t{1}}}});
  both.children.push_back({MatchesFilter{"x", "(unclosed"}});
  const auto violations =
      FieldViolationsOf(ValidateFilter({both}, Limits(), "query.filter"));
  ASSERT_EQ(violations.size(), 3u);
  EXPECT_EQ(violations[0].field,
            "query.filter.and.filters[0].comparison.value");
  EXPECT_EQ(violations[1].field, "query.filter.and.filters[1].in.property");
  EXPECT_EQ(violations[2].field, "query.filter.and.filters[2].matches.pattern");
  EXPECT_THAT(violations[2].description, HasSubstr("missing )"));
}

TEST(FilterValidationTest, DepthIsLimited) {
  EXPECT_THAT(ValidateFilter(Nested(31), Limits()), IsOk());
  EXPECT_THAT(ValidateFilter(Nested(32), Limits()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at most 32 levels deep")));
}

TEST(FilterValidationTest, NodesAndListMembersAreLimitedTogether) {
  Limits limits;
  limits.filter_nodes_max = 10;
  InFilter in{"x", std::vector<FilterOperand>(9, int64_t{1})};
  EXPECT_THAT(ValidateFilter({in}, limits), IsOk());
  in.operands.push_back(int64_t{1});
  EXPECT_EQ(FieldOf({in}, limits), "filter.in");
  OrFilter any;
  any.children.resize(10, {IsNullFilter{"x"}});
  EXPECT_EQ(FieldOf({any}, limits), "filter.or.filters[9]");
}

TEST(FilterValidationTest, RefusesWhatHasNoMeaning) {
  EXPECT_EQ(FieldOf({NotFilter{}}), "filter.not");
  EXPECT_EQ(FieldOf({CompareFilter{"x", CompareOperator::kLess, true}}),
            "filter.comparison.value");
  EXPECT_EQ(FieldOf({CompareFilter{"$x", {}, int64_t{1}}}),
            "filter.comparison.property");
  EXPECT_EQ(FieldOf({IdInFilter{{"a", ""}}}), "filter.id_in.ids[1]");
  EXPECT_EQ(FieldOf({GeoDistanceFilter{"x", {91, 0}, 1}}),
            "filter.geo_distance.center");
  EXPECT_EQ(FieldOf({GeoDistanceFilter{"x", {0, 0}, std::nan("")}}),
            "filter.geo_distance.distance_meters_max");
}

TEST(FilterValidationTest, PatternsAreLimitedInTextAndInMemory) {
  EXPECT_EQ(FieldOf({MatchesFilter{"x", std::string(5000, 'a')}}),
            "filter.matches.pattern");
  EXPECT_EQ(FieldOf({MatchesFilter{"x", "((\\pL{100}){10}){50}"}}),
            "filter.matches.pattern");
}

}  // namespace
}  // namespace diptych::storage
