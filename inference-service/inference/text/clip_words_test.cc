#include "inference/text/clip_words.h"

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> WordsOf(absl::string_view text,
                                 SpeltToken spelt_token = SpeltToken::kPlain) {
  const auto added = AddedTokens::Create(
      {{"<|startoftext|>", 8, true}, {"<|endoftext|>", 9, false}});
  EXPECT_THAT(added, IsOk());
  const auto words = SplitClipWords(text, *added, spelt_token);
  EXPECT_THAT(words, IsOk());
  std::vector<std::string> result;
  for (const ClipWord& word : *words) {
    result.push_back(word.added_id < 0 ? word.text
                                       : "#" + std::to_string(word.added_id));
  }
  return result;
}

TEST(ClipWordsTest, DigitsStandAloneAndPunctuationInRuns) {
  EXPECT_THAT(WordsOf("a1 \u00bd22...!x"),
              ElementsAre("a", "1", "\u00bd", "2", "2", "...!", "x"));
}

TEST(ClipWordsTest, EnglishEndingsAreWords) {
  EXPECT_THAT(WordsOf("They'll can't ''d"),
              ElementsAre("they", "'ll", "can", "'t", "''", "d"));
}

TEST(ClipWordsTest, LowerCaseIsOfEachCharacterByItself) {
  // A final sigma stays an ordinary one, a dotted capital I becomes two.
  EXPECT_THAT(WordsOf("\u039f\u03a3 \u0130"),
              ElementsAre("\u03bf\u03c3", "i", "\u0307"));
}

TEST(ClipWordsTest, AddedTokensAreCutOut) {
  EXPECT_THAT(WordsOf("a<|endoftext|>b <|STARTOFTEXT|>c"),
              ElementsAre("a", "#9", "b", "#8", "c"));
}

TEST(ClipWordsTest, SpeltTokenIsSplitAsTheVocabularySays) {
  EXPECT_THAT(WordsOf("<|ENDOFTEXT|>!"), ElementsAre("<|", "endoftext", "|>!"));
  EXPECT_THAT(WordsOf("<|ENDOFTEXT|>!", SpeltToken::kThreeWords),
              ElementsAre("<|", "endoftext", "|>", "!"));
  EXPECT_THAT(WordsOf("<|ENDOFTEXT|>!", SpeltToken::kOneWord),
              ElementsAre("<|endoftext|>", "!"));
}

}  // namespace
}  // namespace diptych::inference
