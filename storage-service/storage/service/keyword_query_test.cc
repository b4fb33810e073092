// Queries by words, alone and fused with vectors.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "gmock/gmock.h"
#include "storage/service/query_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KeywordQueryTest : public QueryTest {
 protected:
  KeywordQueryTest() : QueryTest("shop") {}

  // Three objects on a line, nearest to 0 first: "near", "middle", "far".
  void SetUp() override {
    ASSERT_THAT(Create(R"(collection { name: "shop"
                      vector_spaces { metric: METRIC_SQUARED_L2 dimension: 1 }
                      })"),
                IsOk());
    ASSERT_THAT(
        Upsert(absl::StrCat(
            R"(collection: "shop" )", Object("near", 1, "a blue chair", "seat"),
            Object("middle", 2, "a red sofa", "seat"),
            Object("far", 4, "the red red sofa of the red house", "house"))),
        IsOk());
  }
  static std::string Object(const std::string& id, int x,
                            const std::string& document,
                            const std::string& kind) {
    return absl::StrCat(
        "objects { id: '", id, "' properties { key: 'document' value { ",
        "text_value: '", document, "' } } properties { key: 'kind' value { ",
        "text_value: '", kind,
        "' } } vectors { key: 'default' value { dense { ", "values: [", x,
        "] } } } } ");
  }
};

TEST_F(KeywordQueryTest, ResultsHaveAScoreAndNoDistance) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto response,
      Ask("keyword { text: 'RED' properties: 'document' }"));
  ASSERT_THAT(Ids(response), ElementsAre("far", "middle"));
  // 3, 3 and 8 words; two of three texts have the word.
  const double average = 14.0 / 3, idf = std::log(1 + 1.5 / 2.5);
  EXPECT_NEAR(response.results(0).score(),
              idf * 3 / (3 + 1.2 * (0.25 + 0.75 * 8 / average)), 1e-14);
  EXPECT_NEAR(response.results(1).score(),
              idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 3 / average)), 1e-14);
  EXPECT_FALSE(response.results(0).has_distance());
  EXPECT_FALSE(response.results(0).has_certainty());
  EXPECT_THAT(Found("keyword { text: 'nothing of this' } top_k: 1"),
              ElementsAre("far"));  // "of"
  EXPECT_THAT(Found("keyword { text: 'unheard' }"), IsEmpty());
}

TEST_F(KeywordQueryTest, GoesWithFilterOffsetGroupsAndProjection) {
  EXPECT_THAT(Found("keyword { text: 'red' } offset: 1"),
              ElementsAre("middle"));
  EXPECT_THAT(Found("keyword { text: 'red chair' } filter_expression: "
                    "\"kind == 'seat'\""),
              ElementsAre("near", "middle"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto groups,
                               Ask("keyword { text: 'red chair' properties: "
                                   "'document' } group_by { property: 'kind' } "
                                   "projection { properties: 'document' }"));
  ASSERT_THAT(groups.results(), SizeIs(2));
  EXPECT_EQ(groups.results(0).group().text_value(), "seat");
  EXPECT_TRUE(groups.results(0).has_score());
  EXPECT_EQ(groups.results(1).object().id(), "far");
  EXPECT_FALSE(groups.results(0).object().properties().contains("kind"));
}

TEST_F(KeywordQueryTest, ListsAndBoosts) {
  EXPECT_THAT(Found("keyword { text: 'house' properties: 'kind' }"),
              ElementsAre("far"));
  EXPECT_THAT(Found("keyword { text: 'seat chair' boosts { key: 'document' "
                    "value: 5 } }"),
              ElementsAre("near", "middle"));
}

// Weaviate's alpha is the weight of the vectors, 1 - alpha that of the words.
TEST_F(KeywordQueryTest, FusionAddsWhatWordsAndVectorsGive) {
  const auto hybrid = [](const char* vectors, const char* words,
                         const char* method) {
    return absl::StrCat(
        "fusion { parts { weight: ", vectors,
        " near_vector { vector { dense { values: [0] } } } } parts { weight: ",
        words,
        " keyword { text: 'red sofa' properties: 'document' } } method: "
        "FUSION_METHOD_",
        method, " }");
  };
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto ranked,
                               Ask(hybrid("0.75", "0.25", "RECIPROCAL_RANK")));
  // By vectors near, middle, far; by words middle and far, in an order that
  // decides between them.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto words,
      Ask("keyword { text: 'red sofa' properties: 'document' }"));
  ASSERT_THAT(Ids(words), SizeIs(2));
  const int middle = Ids(words)[0] == "middle" ? 0 : 1;
  ASSERT_THAT(Ids(ranked), ElementsAre("middle", "far", "near"));
  EXPECT_NEAR(ranked.results(0).score(), 0.75 / 61 + 0.25 / (60 + middle),
              1e-15);
  EXPECT_NEAR(ranked.results(1).score(), 0.75 / 62 + 0.25 / (61 - middle),
              1e-15);
  EXPECT_NEAR(ranked.results(2).score(), 0.75 / 60, 1e-15);

  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto relative,
                               Ask(hybrid("0.5", "0.5", "RELATIVE_SCORE")));
  // Squared distances 1, 4, 16; of words the best gets all, the worst nothing.
  ASSERT_THAT(Ids(relative), SizeIs(3));
  for (const auto& result : relative.results()) {
    const std::string& id = result.object().id();
    const double vector = id == "near" ? 1 : id == "middle" ? 12.0 / 15 : 0;
    const double word = id == Ids(words)[0] ? 1 : 0;
    EXPECT_NEAR(result.score(), 0.5 * vector + 0.5 * word, 1e-12) << id;
    EXPECT_FALSE(result.has_distance());
  }
  // The filter holds for both, and an object left out stays out.
  EXPECT_THAT(Found(hybrid("1", "1", "RECIPROCAL_RANK") +
                    " filter_expression: \"kind == 'seat'\""),
              ElementsAre("middle", "near"));
  EXPECT_THAT(Found("fusion { parts { near_object { id: 'middle' } } parts { "
                    "keyword { text: 'sofa' } } }"),
              ElementsAre("far", "near"));
}

TEST_F(KeywordQueryTest, NamesWhatIsWrong) {
  ExpectRefused("keyword { }", "keyword.text");
  ExpectRefused("keyword { text: 'a' properties: '' }",
                "keyword.properties[0]");
  ExpectRefused("keyword { text: 'a' boosts { key: 'kind' value: -1 } }",
                "keyword.boosts[\"kind\"]");
  ExpectRefused("keyword { text: 'a' } vector_space: 'default'",
                "vector_space");
  ExpectRefused("keyword { text: 'a' } max_distance: 1", "max_distance");
  ExpectRefused("keyword { text: 'a' } min_certainty: 1", "min_certainty");
  ExpectRefused("keyword { text: 'a' } diversity { lambda: 1 }", "diversity");
  ExpectRefused("keyword { text: 'a' } top_k: 10001", "top_k");
  ExpectRefused("fusion { parts { keyword { } } }",
                "fusion.parts[0].keyword.text");
  ExpectRefused("fusion { parts { vector_space: 'x' keyword { text: 'a' } } }",
                "fusion.parts[0].vector_space");
  const absl::Status batch =
      Call(*search_, &v1::SearchService::Stub::BatchQuery,
           "collection: 'shop' queries { keyword { text: 'a' } } "
           "queries { keyword { } }")
          .status();
  ASSERT_THAT(batch, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldViolationsOf(batch)[0].field, "queries[1].keyword.text");
}

// No inference service takes part.
TEST_F(KeywordQueryTest, WordsNeedNoVectors) {
  ASSERT_THAT(Create(R"(collection { name: "words" })"), IsOk());
  ASSERT_THAT(Upsert(R"(collection: "words" objects { id: "zh" properties {
                key: "caption" value { text_value: "北京大学中文系" } } })"),
              IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto found,
      Query(R"(collection: "words" keyword { text: "中文" })"));
  EXPECT_THAT(Ids(found), ElementsAre("zh"));
}

}  // namespace
}  // namespace diptych::storage
