// What every engine that can search by words must do.
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/engine/engine_conformance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ObjectWrite Text(const std::string& id, PropertyValue document,
                 Properties properties = {}) {
  ObjectWrite object;
  object.id = id;
  object.properties = std::move(properties);
  object.properties["document"] = std::move(document);
  return object;
}

KeywordSearchRequest Words(const std::string& text, uint32_t top_k = 10) {
  KeywordSearchRequest request;
  request.collection = "texts";
  request.keywords.text = text;
  request.top_k = top_k;
  return request;
}

std::vector<std::string> Found(Engine& engine,
                               const KeywordSearchRequest& request) {
  std::vector<std::string> ids;
  auto result = engine.SearchKeywords({}, request);
  EXPECT_THAT(result, IsOk());
  if (!result.ok()) return ids;
  for (const KeywordHit& hit : result->hits) ids.push_back(hit.view.object.id);
  return ids;
}

TEST_P(EngineConformanceTest, WordsRankTextsAndListsOfTexts) {
  if (!engine_->capabilities().keyword_search) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("texts"), IsOk());
  ASSERT_THAT(
      Write("texts",
            {Text("sofa", "A red sofa."), Text("car", "A red car, very RED"),
             Text("list", std::vector<std::string>{"blue", "sofa bed"}),
             Text("number", int64_t{7}), Text("zh", "北京大学中文系"),
             Text("none", "...")}),
      IsOk());
  EXPECT_THAT(Found(*engine_, Words("red")), ElementsAre("car", "sofa"));
  EXPECT_THAT(Found(*engine_, Words("Sofa")), ElementsAre("list", "sofa"));
  EXPECT_THAT(Found(*engine_, Words("red sofa"))[0], "sofa");
  EXPECT_THAT(Found(*engine_, Words("中文")), ElementsAre("zh"));
  EXPECT_THAT(Found(*engine_, Words("green 7 ...")), IsEmpty());
  EXPECT_THAT(Found(*engine_, Words("?!")), IsEmpty());
}

TEST_P(EngineConformanceTest, WordsGoWithTopKOffsetFilterAndExcludedIds) {
  if (!engine_->capabilities().keyword_search) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("texts"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 40; ++i) {
    // All equally good, written against the order of their ids.
    objects.push_back(
        Text(absl::StrCat(139 - i), "red sofa", {{"even", i % 2 == 1}}));
  }
  ASSERT_THAT(Write("texts", objects), IsOk());
  KeywordSearchRequest request = Words("sofa", 3);
  EXPECT_THAT(Found(*engine_, request), ElementsAre("100", "101", "102"));
  request.offset = 38;
  EXPECT_THAT(Found(*engine_, request), ElementsAre("138", "139"));
  request.offset = 40;
  EXPECT_THAT(Found(*engine_, request), IsEmpty());
  request.offset = 1;
  request.filter = Equals("even", true);
  EXPECT_THAT(Found(*engine_, request), ElementsAre("102", "104", "106"));
  request.excluded_ids = {"104", "none"};
  EXPECT_THAT(Found(*engine_, request), ElementsAre("102", "106", "108"));
  request.filter.reset();
  EXPECT_THAT(Found(*engine_, request), ElementsAre("101", "102", "103"));
  request.filter = Equals("even", std::string("no"));
  EXPECT_THAT(Found(*engine_, request), IsEmpty());
}

TEST_P(EngineConformanceTest, WordsGoWithPropertiesBoostsAndProjection) {
  if (!engine_->capabilities().keyword_search) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("texts"), IsOk());
  ASSERT_THAT(Write("texts", {Text("a", "about a chair", {{"title", "sofa"}}),
                              Text("b", "sofa", {{"title", "about a chair"}})}),
              IsOk());
  KeywordSearchRequest request = Words("sofa");
  request.keywords.properties = {"title"};
  EXPECT_THAT(Found(*engine_, request), ElementsAre("a"));
  request.keywords.properties = {"title", "document"};
  request.keywords.boosts = {{"document", 2}};
  EXPECT_THAT(Found(*engine_, request), ElementsAre("b", "a"));
  request.keywords.properties.clear();
  request.keywords.boosts = {{"title", 2}};
  EXPECT_THAT(Found(*engine_, request), ElementsAre("a", "b"));
  request.projection.all_properties = false;
  request.projection.properties = {"title"};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto result,
                               engine_->SearchKeywords({}, request));
  EXPECT_GT(result.hits[0].score, result.hits[1].score);
  EXPECT_EQ(result.hits[0].view.object.properties,
            (Properties{{"title", "sofa"}}));
}

// What was written over and deleted must leave no trace in any number.
TEST_P(EngineConformanceTest, ChangesLeaveTheKeywordScoresOfAFreshCollection) {
  if (!engine_->capabilities().keyword_search) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("texts"), IsOk());
  std::mt19937 random(7);
  std::map<std::string, std::string> documents;
  const auto make = [&random] {
    std::string text;
    for (uint32_t words = 1 + random() % 9; words > 0; --words) {
      absl::StrAppend(&text, "w", random() % 12, " ");
    }
    return text;
  };
  for (int step = 0; step < 150; ++step) {
    const std::string id = absl::StrCat("id", random() % 40);
    switch (random() % 4) {
      case 0:
      case 1:
        documents[id] = make();
        ASSERT_THAT(Write("texts", {Text(id, documents[id])}), IsOk());
        break;
      case 2: {
        const std::string text = make();
        ASSERT_THAT(engine_->UpdateObjects({}, {"texts", {Text(id, text)}}),
                    IsOk());
        if (documents.contains(id)) documents[id] = text;
        break;
      }
      default: {
        DeleteObjectsRequest request;
        request.collection = "texts";
        request.ids = {id};
        ASSERT_THAT(engine_->DeleteObjects({}, request), IsOk());
        documents.erase(id);
      }
    }
  }
  ASSERT_THAT(CreateOwn("fresh"), IsOk());
  std::vector<ObjectWrite> objects;
  for (const auto& [id, text] : documents) objects.push_back(Text(id, text));
  ASSERT_THAT(Write("fresh", objects), IsOk());
  for (const char* text : {"w0", "w1 w2", "w3 w4 w5 w3", "w11 other"}) {
    KeywordSearchRequest request = Words(text, 50);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto found,
                                 engine_->SearchKeywords({}, request));
    request.collection = "fresh";
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto expected,
                                 engine_->SearchKeywords({}, request));
    ASSERT_EQ(found.hits.size(), expected.hits.size());
    ASSERT_FALSE(found.hits.empty());
    for (size_t i = 0; i < found.hits.size(); ++i) {
      EXPECT_EQ(found.hits[i].view.object.id, expected.hits[i].view.object.id);
      EXPECT_EQ(found.hits[i].score, expected.hits[i].score);
    }
  }
}

TEST_P(EngineConformanceTest, KeywordSearchNamesWhatIsWrong) {
  if (!engine_->capabilities().keyword_search) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("texts"), IsOk());
  const auto field_of = [&](const KeywordSearchRequest& request) {
    const absl::Status status = engine_->SearchKeywords({}, request).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    const auto violations = FieldViolationsOf(status);
    return violations.empty() ? "" : violations[0].field;
  };
  EXPECT_EQ(field_of(Words("")), "keywords.text");
  EXPECT_EQ(field_of(Words("\xff")), "keywords.text");
  EXPECT_EQ(field_of(Words(std::string((64 << 10) + 1, 'x'))), "keywords.text");
  std::string many;
  for (int i = 0; i < 257; ++i) absl::StrAppend(&many, i, " ");
  EXPECT_EQ(field_of(Words(many)), "keywords.text");
  EXPECT_EQ(field_of(Words("a", 0)), "top_k");
  EXPECT_EQ(field_of(Words("a", 10'001)), "top_k");
  KeywordSearchRequest request = Words("a");
  request.keywords.properties = {"title", ""};
  EXPECT_EQ(field_of(request), "keywords.properties[1]");
  request.keywords.properties = {"title", "title"};
  EXPECT_EQ(field_of(request), "keywords.properties[1]");
  request.keywords.properties = {"title"};
  request.keywords.boosts = {{"title", 0}};
  EXPECT_EQ(field_of(request), "keywords.boosts[\"title\"]");
  request.keywords.boosts = {{"body", 2}};
  EXPECT_EQ(field_of(request), "keywords.boosts[\"body\"]");
  request = Words("a");
  request.collection = "missing";
  EXPECT_THAT(engine_->SearchKeywords({}, request),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace diptych::storage
