#include "storage/service/filter_conversion.h"

#include "diptych/storage/v1/object_service.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "storage/filter/filter_expression.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

v1::CountObjectsRequest Parse(const char* text) {
  v1::CountObjectsRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request))
      << text;
  return request;
}

TEST(FilterConversionTest, TreeAndTextHaveOneMeaning) {
  struct Case {
    const char* tree;
    const char* text;
  };
  const Case cases[] = {
      {R"(filter { comparison { property: "price" operator: COMPARISON_OPERATOR_LESS value { integer_value: 500 } } })",
       "price < 500"},
      {R"(filter { and { filters { comparison { property: "a" operator: COMPARISON_OPERATOR_EQUAL
                                                value { text_value: "x" } } }
                         filters { not { is_null { property: "b" } } } } })",
       "a == 'x' AND NOT (b IS NULL)"},
      {R"(filter { in { property: "c" values { integer_value: 1 } values { integer_value: 2 } negated: true } })",
       "c NOT IN [1, 2]"},
      {R"(filter { or { filters { contains { property: "tags" value { text_value: "red" } } }
                        filters { matches { property: "document" pattern: "^A" } } } })",
       "tags CONTAINS 'red' OR document MATCHES '^A'"},
      {R"(filter { id_in { ids: "a" ids: "b" } })", "id IN ['a', 'b']"},
  };
  for (const Case& c : cases) {
    FieldViolations violations;
    const auto from_tree =
        RequestFilterFromProto(Parse(c.tree), "", Limits(), violations);
    v1::CountObjectsRequest request;
    request.set_filter_expression(c.text);
    const auto from_text =
        RequestFilterFromProto(request, "", Limits(), violations);
    ASSERT_TRUE(violations.empty()) << violations.ToStatus();
    ASSERT_TRUE(from_tree.has_value() && from_text.has_value());
    EXPECT_EQ(FormatFilter(*from_tree), FormatFilter(*from_text)) << c.text;
  }
}

TEST(FilterConversionTest, NoFilterIsNone) {
  FieldViolations violations;
  EXPECT_FALSE(RequestFilterFromProto(v1::CountObjectsRequest(), "", Limits(),
                                      violations)
                   .has_value());
  EXPECT_TRUE(violations.empty());
}

TEST(FilterConversionTest, FaultsAreNamedByTheirPath) {
  const char* const cases[][2] = {
      {R"(filter { and { filters { comparison { property: "a" value { bool_value: true } } } } })",
       "queries[1].filter.and.filters[0].comparison.operator"},
      {R"(filter { in { property: "a" } })",
       "queries[1].filter.in.values is empty"},
      {R"(filter { or { } })", "queries[1].filter.or has no filters"},
      {R"(filter { })", "queries[1].filter is empty"},
      {R"(filter { is_null { property: "a" } } filter_expression: "a == 1")",
       "give one of the two"},
      {R"(filter_expression: "price <")", "queries[1].filter_expression"},
  };
  for (const auto& c : cases) {
    FieldViolations violations;
    RequestFilterFromProto(Parse(c[0]), "queries[1].", Limits(), violations);
    EXPECT_THAT(violations.ToStatus().message(), HasSubstr(c[1])) << c[0];
  }
}

}  // namespace
}  // namespace diptych::storage
