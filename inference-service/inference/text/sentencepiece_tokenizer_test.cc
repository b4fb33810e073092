
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inference/text/tokenizer_directory_test.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kFile[] = "sentencepiece.bpe.model";

// 0 <unk>  1 <s>  2 </s>  3 ▁  4 a  5 b  6 ab  7 ▁a  8 ▁ab  9 c
SentencePieceWriter Unigram() {
  SentencePieceWriter writer(1, false, true);
  writer.Add("<unk>", 0, 2).Add("<s>", 0, 3).Add("</s>", 0, 3);
  writer.Add("\u2581", -3).Add("a", -2).Add("b", -2).Add("ab", -3.5f);
  writer.Add("\u2581a", -2.5f).Add("\u2581ab", -6).Add("c", -4);
  return writer;
}

TEST(SentencePieceTokenizerTest, XlmRobertaTakesTheBestPathAndItsOwnNumbers) {
  TokenizerDirectory directory;
  directory.Write(kFile, Unigram().Finish());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  // ▁a b at -4.5 beats ▁ab at -6 and ▁ ab at -6.5.
  EXPECT_THAT(IdsOf(*tokenizer, "ab"), ElementsAre(0, 8, 6, 2));
  // Inside a word, ab at -3.5 beats a b at -4.
  EXPECT_THAT(IdsOf(*tokenizer, "cab"), ElementsAre(0, 4, 10, 7, 2));
  // Superfluous spaces go; what no piece covers is one <unk>, its number 3.
  EXPECT_THAT(IdsOf(*tokenizer, "  a   xyz "), ElementsAre(0, 8, 4, 3, 2));
  EXPECT_THAT(IdsOf(*tokenizer, ""), ElementsAre(0, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "   "), ElementsAre(0, 2));
  // <mask> is the last, and takes the space before it along.
  EXPECT_THAT(IdsOf(*tokenizer, "a <mask>"), ElementsAre(0, 8, 11, 2));
  EXPECT_EQ(tokenizer->pad_id(), 1);
  EXPECT_THAT(directory.Load(512, 11).status(),
              StatusIs(kInvalid, HasSubstr("ids outside the 11")));
}

TEST(SentencePieceTokenizerTest, LongTextKeepsItsBeginningAndTheEndToken) {
  TokenizerDirectory directory;
  directory.Write(kFile, Unigram().Finish());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load(4));
  EXPECT_FALSE(tokenizer->Tokenize("ab")->truncated);
  const auto cut = tokenizer->Tokenize("ab ab");
  EXPECT_TRUE(cut->truncated);
  EXPECT_THAT(cut->ids, ElementsAre(0, 8, 6, 2));
}

TEST(SentencePieceTokenizerTest, SiglipLowersAndDropsPunctuation) {
  TokenizerDirectory directory;
  directory.Write("spiece.model", Unigram().Finish());
  directory.Write("tokenizer_config.json",
                  R"({"tokenizer_class": "SiglipTokenizer"})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load(64));
  EXPECT_THAT(IdsOf(*tokenizer, "ab"), ElementsAre(7, 5, 2));
  EXPECT_THAT(IdsOf(*tokenizer, " A,B!\n\t (c) "), ElementsAre(7, 5, 3, 9, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "?!"), ElementsAre(2));
  EXPECT_EQ(tokenizer->pad_id(), 2);
  directory.Write(
      "tokenizer_config.json",
      R"({"tokenizer_class": "SiglipTokenizer", "do_lower_case": false})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto cased, directory.Load(64));
  EXPECT_THAT(IdsOf(*cased, "A"), ElementsAre(3, 0, 2));
}

TEST(SentencePieceTokenizerTest, GemmaMergesTheBestScoreFirst) {
  SentencePieceWriter writer(2, true, false);
  writer.Add("<pad>", 0, 3).Add("<eos>", 0, 3).Add("<bos>", 0, 3);
  writer.Add("<unk>", 0, 2);
  for (int byte = 0; byte < 256; ++byte) {  // 4 to 259
    constexpr char kDigits[] = "0123456789ABCDEF";
    writer.Add(absl::StrCat("<0x", std::string(1, kDigits[byte / 16]),
                            std::string(1, kDigits[byte % 16]), ">"),
               0, 6);
  }
  writer.Add("bc", -1).Add("ab", -2).Add("abc", -3).Add("\u2581a", -4);
  writer.Add("a", -5).Add("b", -6).Add("c", -7).Add("\u2581", -8);
  writer.Add("\n\n", 0, 4);  // 268
  TokenizerDirectory directory;
  directory.Write("tokenizer.model", writer.Finish());
  directory.Write("tokenizer_config.json",
                  R"({"tokenizer_class": "GemmaTokenizer"})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  // bc before ab; then a bc is not abc's pair "ab" "c" but "a" "bc".
  EXPECT_THAT(IdsOf(*tokenizer, "abc"), ElementsAre(2, 262));
  EXPECT_THAT(IdsOf(*tokenizer, "ab a"), ElementsAre(2, 261, 263));
  // Spaces are kept, unknown characters are their bytes, a user-defined piece
  // stays whole.
  EXPECT_THAT(IdsOf(*tokenizer, "  \u00e9\n\na"),
              ElementsAre(2, 267, 267, 4 + 0xc3, 4 + 0xa9, 268, 264));
  directory.Write("tokenizer_config.json",
                  R"({"tokenizer_class": "GemmaTokenizer",
                      "add_bos_token": false, "add_eos_token": true})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto siglip2, directory.Load());
  EXPECT_THAT(IdsOf(*siglip2, "abc"), ElementsAre(262, 1));
}

TEST(SentencePieceTokenizerTest, BadModelsAreRefused) {
  TokenizerDirectory directory;
  const auto refused = [&](const std::string& bytes, const char* message) {
    directory.Write(kFile, bytes);
    EXPECT_THAT(directory.Load().status(),
                StatusIs(kInvalid, HasSubstr(message)));
  };
  const std::string good = Unigram().Finish();
  refused(good.substr(0, good.size() - 1), "it breaks off");
  refused("{}", "it breaks off or is another file");
  refused("", "has 0 unknown pieces");
  refused(Unigram().Add("a", 0).Finish(), "piece 10 occurs twice");
  refused(Unigram().Add("\xff", 0).Finish(), "piece 10 must be UTF-8");
  refused(Unigram().Add("", 0).Finish(), "piece 10 must be UTF-8");
  refused(Unigram().Add("z", std::numeric_limits<float>::quiet_NaN()).Finish(),
          "finite score");
  refused(Unigram().Add("z", 0, 7).Finish(), "is of type 7");
  refused(Unigram().Add("z", 0, 2).Finish(), "has 2 unknown pieces");
  SentencePieceWriter words(3, false, true);
  refused(words.Add("<unk>", 0, 2).Finish(), "is of type 3; known: 1");
}

}  // namespace
}  // namespace diptych::inference
