#include "storage/service/query_request.h"

#include <string>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

bool IsShortQuery(const std::string& text) {
  v1::QueryRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request))
      << text;
  return IsShort(request);
}

TEST(ShortQueryTest, WalksGraphsForFewResults) {
  const std::string near =
      "near_vector { vector { dense { values: 1 } } } projection { "
      "no_properties: true } ";
  EXPECT_TRUE(IsShortQuery(near));
  EXPECT_TRUE(IsShortQuery("near_object { id: 'a' } top_k: 100 offset: 100"));
  EXPECT_FALSE(IsShortQuery(near + "top_k: 101"));
  EXPECT_FALSE(IsShortQuery(near + "offset: 101"));
  EXPECT_FALSE(IsShortQuery(near + "ef_search: 401"));
  EXPECT_FALSE(IsShortQuery(near + "exact: true"));
  EXPECT_FALSE(IsShortQuery(near + "group_by { property: 'p' }"));
  EXPECT_FALSE(IsShortQuery(near + "diversity { lambda: 0.5 }"));
  EXPECT_FALSE(
      IsShortQuery("near_object { id: 'a' } projection { "
                   "image_bytes: true }"));
  EXPECT_FALSE(
      IsShortQuery("near_object { id: 'a' } projection { "
                   "thumbnail_pixels: 64 }"));
}

TEST(ShortQueryTest, WaitsForNoOtherService) {
  EXPECT_FALSE(IsShortQuery(""));
  EXPECT_FALSE(IsShortQuery("near_text { concepts: 'a' }"));
  EXPECT_FALSE(IsShortQuery("near_image { image: 'a' }"));
  EXPECT_FALSE(IsShortQuery("keyword { text: 'a' }"));
  EXPECT_FALSE(
      IsShortQuery("mix { terms { near_text { concepts: 'a' } weight: 1 } }"));
}

TEST(ShortQueryTest, FilterComparesAlone) {
  const std::string near = "near_object { id: 'a' } ";
  const std::string comparison =
      "comparison { property: 'p' operator: COMPARISON_OPERATOR_LESS value { "
      "integer_value: 3 } } ";
  EXPECT_TRUE(IsShortQuery(near + "filter { " + comparison + "}"));
  EXPECT_TRUE(IsShortQuery(near + "filter { and { filters { " + comparison +
                           "} filters { " + comparison + "} } }"));
  EXPECT_FALSE(IsShortQuery(near + "filter { not { " + comparison + "} }"));
  EXPECT_FALSE(IsShortQuery(near + "filter { and { filters { matches { "
                                   "property: 'p' pattern: 'a' } } } }"));
  EXPECT_FALSE(IsShortQuery(near +
                            "filter { comparison { property: 'p' operator: "
                            "COMPARISON_OPERATOR_LESS value { text_value: '" +
                            std::string(300, 'x') + "' } } }"));
  EXPECT_TRUE(IsShortQuery(near + "filter_expression: 'p < 3 AND q == 1'"));
  EXPECT_FALSE(IsShortQuery(near + "filter_expression: \"p contains 'sofa'\""));
  EXPECT_FALSE(IsShortQuery(near + "filter_expression: \"p MATCHES 'a'\""));
  EXPECT_FALSE(
      IsShortQuery(near + "filter_expression: 'geo_distance(p, 1, 2) < 3'"));
  EXPECT_FALSE(IsShortQuery(near + "filter_expression: 'p < 3" +
                            std::string(300, ' ') + "'"));
}

}  // namespace
}  // namespace diptych::storage
