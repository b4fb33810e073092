#include "storage/keyword/text_terms.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TermCounts Text(absl::string_view text) {
  TermCounts counts;
  AddTextTerms(text, counts);
  return counts;
}
TermCounts Query(absl::string_view text) {
  TermCounts counts;
  AddQueryTerms(text, counts);
  return counts;
}
// Whether a query finds a text.
bool Finds(absl::string_view query, absl::string_view text) {
  const TermCounts terms = Text(text);
  for (const auto& [term, times] : Query(query).frequencies) {
    if (terms.frequencies.contains(term)) return true;
  }
  return false;
}

TEST(TextTermsTest, IcuHasItsData) { EXPECT_THAT(CheckTextTermData(), IsOk()); }

TEST(TextTermsTest, WordsAreRunsOfLettersAndDigitsWhateverTheirCase) {
  const TermCounts terms =
      Text("The red sofa, THE blue-green one: photo-12.jpg (don't_move) x2");
  EXPECT_THAT(
      terms.frequencies,
      UnorderedElementsAre(Pair("the", 2), Pair("red", 1), Pair("sofa", 1),
                           Pair("blue", 1), Pair("green", 1), Pair("one", 1),
                           Pair("photo", 1), Pair("12", 1), Pair("jpg", 1),
                           Pair("don", 1), Pair("t", 1), Pair("move", 1),
                           Pair("x2", 1)));
  EXPECT_EQ(terms.length, 14u);
  EXPECT_THAT(Text(" \t-- !? ...").frequencies, IsEmpty());
  EXPECT_THAT(Text("").frequencies, IsEmpty());
  EXPECT_EQ(Text("!").length, 0u);
}

TEST(TextTermsTest, CaseWidthAndLigaturesDoNotMatterAccentsDo) {
  EXPECT_THAT(Text("STRASSE straße Straße").frequencies,
              UnorderedElementsAre(Pair("strasse", 3)));
  EXPECT_THAT(
      Text("ＡＢＣ１２ ﬁne №").frequencies,
      UnorderedElementsAre(Pair("abc12", 1), Pair("fine", 1), Pair("no", 1)));
  EXPECT_THAT(Text("ΣΟΦΟΣ σοφος σοφός").frequencies,
              UnorderedElementsAre(Pair("σοφοσ", 2), Pair("σοφόσ", 1)));
  // Composed or not: é.
  EXPECT_THAT(Text("caf\xc3\xa9 cafe\xcc\x81 cafe").frequencies,
              UnorderedElementsAre(Pair("caf\xc3\xa9", 2), Pair("cafe", 1)));
  // A soft hyphen and a zero-width joiner are not there.
  EXPECT_THAT(Text("so\xc2\xad"
                   "fa so\xe2\x80\x8d"
                   "fa")
                  .frequencies,
              UnorderedElementsAre(Pair("sofa", 2)));
  EXPECT_THAT(Text("Привет, МИР").frequencies,
              UnorderedElementsAre(Pair("привет", 1), Pair("мир", 1)));
}

TEST(TextTermsTest, ChineseIsFoundInsideLongerText) {
  EXPECT_THAT(
      Text("学习中文").frequencies,
      UnorderedElementsAre(Pair("学", 1), Pair("学习", 1), Pair("习", 1),
                           Pair("习中", 1), Pair("中", 1), Pair("中文", 1),
                           Pair("文", 1)));
  EXPECT_EQ(Text("学习中文").length, 4u);
  EXPECT_THAT(Query("中文").frequencies, UnorderedElementsAre(Pair("中文", 1)));
  EXPECT_THAT(Query("猫").frequencies, UnorderedElementsAre(Pair("猫", 1)));
  EXPECT_THAT(Query("红色 沙发").frequencies,
              UnorderedElementsAre(Pair("红色", 1), Pair("沙发", 1)));
  EXPECT_TRUE(Finds("中文", "我在北京大学中文系学习语言"));
  EXPECT_TRUE(Finds("猫", "一只黑猫在睡觉"));
  EXPECT_FALSE(Finds("中文", "文中没有这个词"));
  EXPECT_TRUE(Finds("中文", "English和中文mixed"));
  EXPECT_TRUE(Finds("mixed", "English和中文mixed"));
  // Punctuation parts: no pair spans it.
  EXPECT_FALSE(Finds("中文", "其中，文字"));
}

TEST(TextTermsTest, JapaneseAndKoreanAreFoundInsideLongerText) {
  EXPECT_TRUE(Finds("ソファー", "赤いソファーと猫"));
  EXPECT_TRUE(Finds("ｿﾌｧｰ", "赤いソファーと猫"));
  EXPECT_TRUE(Finds("時々", "雨時々晴れ"));
  EXPECT_TRUE(Finds("한국어", "한국어를 공부합니다"));
  EXPECT_FALSE(Finds("사과", "한국어를 공부합니다"));
}

TEST(TextTermsTest, ThaiIsFoundByItsWords) {
  // "red sofa in the room": no blanks between words.
  EXPECT_TRUE(Finds("โซฟา", "โซฟาสีแดงในห้อง"));
  EXPECT_TRUE(Finds("ห้อง", "โซฟาสีแดงในห้อง"));
  EXPECT_FALSE(Finds("แมว", "โซฟาสีแดงในห้อง"));
}

TEST(TextTermsTest, LongWordsAreSeveralTerms) {
  const TermCounts terms = Text(std::string(2 * kTermBytesMax + 5, 'a'));
  EXPECT_THAT(terms.frequencies,
              UnorderedElementsAre(Pair(std::string(kTermBytesMax, 'a'), 2),
                                   Pair("aaaaa", 1)));
  EXPECT_EQ(terms.length, 3u);
  // Not within a character.
  std::string word = "a";
  while (word.size() < kTermBytesMax + 10) word += "é";
  for (const auto& [term, times] : Text(word).frequencies) {
    EXPECT_THAT(Text(term).frequencies, UnorderedElementsAre(Pair(term, 1)));
  }
}

// The short way for ASCII must not be another meaning.
TEST(TextTermsTest, AsciiTextHasTheSameTermsAlone) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      text.push_back(static_cast<char>(random() % 128));
    }
    TermCounts alone = Text(text);
    // The dagger separates, and makes the text go the long way.
    TermCounts together = Text(text + " \xe2\x80\xa0");
    EXPECT_EQ(alone.frequencies, together.frequencies) << text;
    EXPECT_EQ(alone.length, together.length);
  }
}

TEST(TextTermsTest, QueriesCountHowOftenTheySayAWord) {
  EXPECT_THAT(Query("red, Red sofa").frequencies,
              UnorderedElementsAre(Pair("red", 2), Pair("sofa", 1)));
  EXPECT_THAT(Text("a\xff b").frequencies, SizeIs(2));  // not UTF-8
  EXPECT_THAT(Text("🔥 fire").frequencies, Not(Contains(Key("🔥"))));
}

}  // namespace
}  // namespace diptych::storage
