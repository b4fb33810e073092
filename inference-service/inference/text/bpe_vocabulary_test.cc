#include "inference/text/bpe_vocabulary.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/text/byte_pair_encoder.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json DemoTokenizerJson() {
  std::ifstream file(std::filesystem::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
                     "inference-service/models/demo/model/tokenizer.json");
  return Json::parse(file);
}

TEST(BpeVocabularyTest, MergesMayBePairs) {
  Json json = DemoTokenizerJson();
  const auto expected = ParseTokenizerJson(json.dump());
  ASSERT_THAT(expected, IsOk());
  for (Json& merge : json["model"]["merges"]) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  const auto given = ParseTokenizerJson(json.dump());
  ASSERT_THAT(given, IsOk());
  EXPECT_EQ(given->merges, expected->merges);
}

TEST(BpeVocabularyTest, OtherTokenisersAreRefusedByWhatDiffers) {
  const struct {
    std::function<void(Json&)> change;
    const char* message;
  } cases[] = {
      {[](Json& json) { json["model"]["type"] = "WordPiece"; },
       "the type of \"model\" is not that of a CLIP tokeniser, the only kind "
       "supported here: \"WordPiece\""},
      {[](Json& json) { json["normalizer"]["normalizers"].erase(0); },
       "\"normalizer\" is not"},
      {[](Json& json) {
         json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+";
       },
       "the pattern of \"pre_tokenizer\" is not"},
      {[](Json& json) { json["post_processor"] = nullptr; },
       "\"post_processor\" is not"},
      {[](Json& json) { json["model"]["byte_fallback"] = true; },
       "\"byte_fallback\" is not"},
      {[](Json& json) { json["model"]["dropout"] = 0.1; },
       "\"dropout\" is not"},
      {[](Json& json) { json["added_tokens"][0]["lstrip"] = true; },
       "an element of \"added_tokens\" is not"},
      {[](Json& json) { json["model"]["vocab"]["x"] = -1; },
       "a token's id must be"},
      {[](Json& json) { json["model"]["merges"][0] = "a b c"; },
       "a merge must be two tokens"},
      {[](Json& json) {
         json["model"]["vocab"].erase("<|endoftext|>");
         json["added_tokens"] = Json::array();
       },
       "so it is not CLIP's"},
  };
  for (const auto& bad : cases) {
    Json json = DemoTokenizerJson();
    bad.change(json);
    EXPECT_THAT(
        ParseTokenizerJson(json.dump()),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
  EXPECT_THAT(ParseTokenizerJson("{"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a JSON object")));
}

TEST(BpeVocabularyTest, MergeOfAMissingTokenIsRefused) {
  BpeVocabulary vocabulary;
  vocabulary.ids = {{"a", 0}, {"b", 1}};
  vocabulary.merges = {{"a", "b"}};
  EXPECT_THAT(BytePairEncoder::Create(vocabulary).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("lacks a token of merge 0: a b")));
}

TEST(BpeVocabularyTest, ModelMaxLengthMayBeEndless) {
  EXPECT_THAT(ParseModelMaxLength("{}"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(ParseModelMaxLength(R"({"model_max_length": 77})"),
              IsOkAndHolds(std::optional<int>(77)));
  EXPECT_THAT(ParseModelMaxLength(
                  R"({"model_max_length": 1000000000000000019884624838656})"),
              IsOkAndHolds(std::nullopt));
  EXPECT_THAT(ParseModelMaxLength(R"({"model_max_length": "x"})"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace diptych::inference
