// Queries whose results are more than the nearest: groups, variety, and several
// rankings fused.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "storage/service/query_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kFromZero[] =
    "near_vector { vector { dense { values: [0, 0] } } } ";

class QueryRankingTest : public QueryTest {
 protected:
  QueryRankingTest() : QueryTest("frames") {}

  // Objects in two spaces of two dimensions, "default" and "other", by squared
  // distance.
  void SetUp() override {
    ASSERT_THAT(Create(R"(collection { name: "frames"
                      vector_spaces { metric: METRIC_SQUARED_L2 dimension: 2 }
                      vector_spaces { name: "other" dimension: 2
                                      metric: METRIC_SQUARED_L2 } })"),
                IsOk());
  }

  void Add(const std::string& id, float x, float y,
           const std::string& properties = "") {
    request_ +=
        absl::StrCat("objects { id: '", id, "' ", properties,
                     " vectors { key: 'default' value { dense { values: [", x,
                     ", ", y, "] } } } } ");
  }
  void AddTo(const std::string& spaces, const std::string& id) {
    request_ += absl::StrCat("objects { id: '", id, "' ", spaces, " } ");
  }
  void Write() {
    ASSERT_THAT(Upsert(R"(collection: "frames" )" + request_), IsOk());
  }
  static std::string Text(const std::string& name, const std::string& value) {
    return absl::StrCat("properties { key: '", name, "' value { text_value: '",
                        value, "' } }");
  }
  static std::string Vector(const std::string& space, float x) {
    return absl::StrCat("vectors { key: '", space,
                        "' value { dense { values: [", x, ", 0] } } } ");
  }

  std::string request_;
};

TEST_F(QueryRankingTest, GroupsComeInTheOrderOfTheirBest) {
  Add("a1", 1, 0, Text("video", "a") + Text("title", "first"));
  Add("a2", 2, 0, Text("video", "a"));
  Add("b1", 3, 0, Text("video", "b"));
  Add("lone", 0, 0);
  Add("a3", 4, 0, Text("video", "a"));
  Add("b2", 5, 0, Text("video", "b"));
  Add("c1", 6, 0, Text("video", "c"));
  Write();
  const std::string query = kFromZero;
  EXPECT_THAT(Found(query + "group_by { property: 'video' }"),
              ElementsAre("a1", "b1", "c1"));
  EXPECT_THAT(Found(query + "group_by { property: 'video' group_size: 2 }"),
              ElementsAre("a1", "a2", "b1", "b2", "c1"));
  EXPECT_THAT(Found(query + "group_by { property: 'video' group_size: 2 } "
                            "top_k: 1 offset: 1"),
              ElementsAre("b1", "b2"));
  EXPECT_THAT(Found(query + "group_by { property: 'video' group_size: 9 } "
                            "filter_expression: \"video != 'a'\""),
              ElementsAre("b1", "b2", "c1"));
  EXPECT_THAT(Found(query + "group_by { property: 'video' group_size: 9 } "
                            "max_distance: 9"),
              ElementsAre("a1", "a2", "b1"));
  EXPECT_THAT(Found(query + "group_by { property: 'none' }"), IsEmpty());

  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto response,
      Ask(query + "group_by { property: 'video' } top_k: 1 "
                  "projection { properties: 'title' vectors: true }"));
  ASSERT_THAT(response.results(), SizeIs(1));
  EXPECT_EQ(response.results(0).group().text_value(), "a");
  EXPECT_EQ(response.results(0).distance(), 1);
  const v1::Object& object = response.results(0).object();
  EXPECT_EQ(object.properties().at("title").text_value(), "first");
  EXPECT_FALSE(object.properties().contains("video"));
  EXPECT_THAT(object.vectors().at("default").dense().values(),
              ElementsAre(1, 0));
}

TEST_F(QueryRankingTest, NoGroupIsMissedBehindAGreatOne) {
  // 1500 frames of one video lie before all others.
  for (int i = 0; i < 1500; ++i)
    Add(absl::StrCat("big", i), 1, i / 1500.0f, Text("video", "big"));
  for (int i = 0; i < 5; ++i)
    Add(absl::StrCat("small", i), 10.0f + i, 0, Text("video", absl::StrCat(i)));
  Add("big-last", 99, 0, Text("video", "big"));
  Add("small0-last", 98, 0, Text("video", "0"));
  Write();
  EXPECT_THAT(
      Found(absl::StrCat(kFromZero, "group_by { property: 'video' } top_k: 6")),
      ElementsAre("big0", "small0", "small1", "small2", "small3", "small4"));
  // Nor a member of a group.
  EXPECT_THAT(
      Found(absl::StrCat(
          kFromZero,
          "group_by { property: 'video' group_size: 2 } top_k: 1 offset: 1")),
      ElementsAre("small0", "small0-last"));
}

TEST_F(QueryRankingTest, DiversityTradesNearnessForVariety) {
  // Four nearly alike, and two others farther out.
  Add("a", 1, 0);
  Add("b", 1.01f, 0);
  Add("c", 1.02f, 0);
  Add("d", 1.03f, 0);
  Add("up", 0, 2);
  Add("left", -3, 0);
  Write();
  EXPECT_THAT(
      Found(absl::StrCat(kFromZero, "top_k: 3 diversity { lambda: 1 }")),
      ElementsAre("a", "b", "c"));
  // After a: up gives 5 - 4, left gives 16 - 9. After both: b gives 0.0001 -
  // 1.0201, up 5 - 4.
  EXPECT_THAT(
      Found(absl::StrCat(kFromZero, "top_k: 3 diversity { lambda: 0.5 }")),
      ElementsAre("a", "left", "up"));
  EXPECT_THAT(Found(absl::StrCat(
                  kFromZero, "top_k: 2 offset: 1 diversity { lambda: 0.5 }")),
              ElementsAre("left", "up"));
  // Of the nearest four only.
  EXPECT_THAT(Found(absl::StrCat(kFromZero,
                                 "top_k: 2 "
                                 "diversity { candidates: 4 }")),
              ElementsAre("a", "d"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto response,
      Ask(absl::StrCat(kFromZero, "top_k: 2 diversity { lambda: 0.5 }")));
  EXPECT_EQ(response.results(1).distance(), 9);
  EXPECT_FALSE(response.results(1).has_score());
  EXPECT_THAT(response.results(1).object().vectors(), IsEmpty());
}

TEST_F(QueryRankingTest, FusionOfTwoSpacesAddsReciprocalRanks) {
  AddTo(Vector("default", 1) + Vector("other", 3), "both");
  AddTo(Vector("default", 2) + Vector("other", 9), "last");
  AddTo(Vector("default", 3), "one");
  AddTo(Vector("other", 2), "two");
  Write();
  const std::string parts =
      absl::StrCat("parts { ", kFromZero, "} parts { vector_space: 'other' ",
                   kFromZero, "weight: 2 } ");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto response,
                               Ask("fusion { " + parts + "}"));
  ASSERT_THAT(Ids(response), ElementsAre("both", "last", "two", "one"));
  EXPECT_DOUBLE_EQ(response.results(0).score(), 1.0 / 60 + 2.0 / 61);
  EXPECT_DOUBLE_EQ(response.results(1).score(), 1.0 / 61 + 2.0 / 62);
  EXPECT_DOUBLE_EQ(response.results(2).score(), 2.0 / 60);
  EXPECT_DOUBLE_EQ(response.results(3).score(), 1.0 / 62);
  EXPECT_FALSE(response.results(0).has_distance());
  EXPECT_FALSE(response.results(0).has_certainty());

  // Squared distances 1, 4, 9 and 4, 9, 81.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto relative,
      Ask("fusion { " + parts + "method: FUSION_METHOD_RELATIVE_SCORE }"));
  ASSERT_THAT(Ids(relative), ElementsAre("both", "two", "last", "one"));
  EXPECT_DOUBLE_EQ(relative.results(0).score(), 1 + 2 * 72.0 / 77);
  EXPECT_DOUBLE_EQ(relative.results(1).score(), 2);
  EXPECT_DOUBLE_EQ(relative.results(2).score(), 5.0 / 8);
  EXPECT_DOUBLE_EQ(relative.results(3).score(), 0);

  EXPECT_THAT(Found("top_k: 1 offset: 2 fusion { " + parts + "}"),
              ElementsAre("two"));
}

TEST_F(QueryRankingTest, WhatOnePartLeavesOutNoOtherBringsBack) {
  AddTo(Vector("default", 1) + Vector("other", 1), "liked");
  AddTo(Vector("default", 2) + Vector("other", 2), "next");
  Write();
  for (const std::string part :
       {"near_object { id: 'liked' }", "recommend { positive_ids: 'liked' }",
        "mix { terms { weight: 1 near_object { id: 'liked' } } }"}) {
    EXPECT_THAT(Found(absl::StrCat("fusion { parts { ", part,
                                   " } parts { vector_space: 'other' ",
                                   kFromZero, "} }")),
                ElementsAre("next"))
        << part;
  }
}

TEST_F(QueryRankingTest, AFusionIsGroupedAndFiltered) {
  AddTo(Vector("default", 1) + Vector("other", 5) + Text("video", "a"), "a1");
  AddTo(Vector("default", 2) + Vector("other", 6) + Text("video", "a"), "a2");
  AddTo(Vector("default", 3) + Vector("other", 7) + Text("video", "b"), "b1");
  Write();
  const std::string fusion =
      absl::StrCat("fusion { parts { ", kFromZero,
                   "} parts { vector_space: 'other' ", kFromZero, "} } ");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto response,
                               Ask(fusion + "group_by { property: 'video' }"));
  ASSERT_THAT(Ids(response), ElementsAre("a1", "b1"));
  EXPECT_EQ(response.results(1).group().text_value(), "b");
  EXPECT_DOUBLE_EQ(response.results(1).score(), 2.0 / 62);
  EXPECT_THAT(Found(fusion + "filter_expression: \"video == 'b'\""),
              ElementsAre("b1"));
}

TEST_F(QueryRankingTest, BadRankingsAreRefusedByField) {
  const std::string near = kFromZero;
  const std::string fusion = "fusion { parts { " + near + "} } ";
  const std::pair<std::string, const char*> cases[] = {
      {near + "group_by { }", "group_by.property"},
      {near + "group_by { property: 'p' group_size: -1 }",
       "group_by.group_size"},
      {near + "group_by { property: 'p' group_size: 1001 }",
       "group_by.group_size"},
      {"group_by { property: 'p' }", "group_by"},
      {near + "diversity { lambda: 1.5 }", "diversity.lambda"},
      {near + "diversity { lambda: nan }", "diversity.lambda"},
      {near + "diversity { candidates: 9 }", "diversity.candidates"},
      {near + "diversity { candidates: 1001 }", "diversity.candidates"},
      {near + "diversity { candidates: -1 }", "diversity.candidates"},
      {near + "top_k: 1001 diversity { }", "top_k"},
      {near + "diversity { } group_by { property: 'p' }", "diversity"},
      {"diversity { }", "diversity"},
      {fusion + "diversity { }", "diversity"},
      {fusion + "max_distance: 1", "max_distance"},
      {fusion + "min_certainty: 1", "min_certainty"},
      {fusion + "vector_space: 'other'", "vector_space"},
      {"fusion { }", "fusion.parts"},
      {"fusion { parts { } }", "fusion.parts[0]"},
      {"fusion { parts { weight: -1 " + near + "} }", "fusion.parts[0].weight"},
      {"fusion { parts { weight: inf " + near + "} }",
       "fusion.parts[0].weight"},
      {"fusion { parts { vector_space: 'none' " + near + "} }",
       "fusion.parts[0].vector_space"},
      {"fusion { parts { near_object { } } }",
       "fusion.parts[0].near_object.id"},
  };
  for (const auto& [query, field] : cases) ExpectRefused(query, field);
  std::string many = "fusion { ";
  for (int i = 0; i < 17; ++i) many += "parts { " + near + "} ";
  ExpectRefused(many + "}", "fusion.parts");
}

TEST_F(QueryRankingTest, PartsOfOneModelAreVectorisedInOneCall) {
  ASSERT_THAT(Create(R"(collection { name: "pages"
                    vector_spaces { vectorizer {
                        text_fields { property: "title" weight: 1 } } }
                    vector_spaces { name: "body" vectorizer {
                        text_fields { property: "body" weight: 1 } } } })"),
              IsOk());
  ASSERT_THAT(Upsert(R"(collection: "pages" objects { id: "x"
                  properties { key: "title" value { text_value: "sofa" } }
                  properties { key: "body" value { text_value: "red" } } })"),
              IsOk());
  const size_t before = vectorizer_.fake.call_sizes().size();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto response,
                               Query(R"(collection: "pages" fusion {
                   parts { near_text { concepts: "sofa" } }
                   parts { vector_space: "body"
                           near_text { concepts: "red" } } })"));
  ASSERT_THAT(Ids(response), ElementsAre("x"));
  EXPECT_DOUBLE_EQ(response.results(0).score(), 2.0 / 60);
  ASSERT_THAT(vectorizer_.fake.call_sizes(), SizeIs(before + 1));
  EXPECT_EQ(vectorizer_.fake.call_sizes().back(), 2u);
}

}  // namespace
}  // namespace diptych::storage
