#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inference/text/json_file.h"
#include "inference/text/tokenizer_directory_test.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Ids are places: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then
//  5 a  6 red  7 cat  8 ##s  9 ##cat  10 !  11 .  12 图  13 像  14 creme
//  15 Red  16 un  17 ##a  18 ##able  19 Crème  20 ##
constexpr char kVocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nred\ncat\n##s\n##cat\n!\n.\n"
    "\u56fe\n\u50cf\ncreme\nRed\nun\n##a\n##able\nCr\u00e8me\n##\n";

std::unique_ptr<const Tokenizer> Make(const std::string& config = "{}",
                                      int context_length = 64) {
  TokenizerDirectory directory;
  directory.Write("vocab.txt", kVocabulary);
  directory.Write("tokenizer_config.json", config);
  auto tokenizer = directory.Load(context_length);
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

TEST(WordpieceTokenizerTest, WordsAreCutIntoTheLongestTokens) {
  const auto tokenizer = Make();
  EXPECT_THAT(IdsOf(*tokenizer, "a red cat."), ElementsAre(2, 5, 6, 7, 11, 3));
  EXPECT_THAT(IdsOf(*tokenizer, "redcats catcat"),
              ElementsAre(2, 6, 9, 8, 7, 9, 3));
  // In the second, ##a fits, but then nothing does: the whole word is unknown.
  EXPECT_THAT(IdsOf(*tokenizer, "unable unax a"),
              ElementsAre(2, 16, 18, 1, 5, 3));
  EXPECT_THAT(IdsOf(*tokenizer, "dog"), ElementsAre(2, 1, 3));
  EXPECT_THAT(IdsOf(*tokenizer, ""), ElementsAre(2, 3));
  EXPECT_THAT(IdsOf(*tokenizer, " \u3000\n"), ElementsAre(2, 3));
}

TEST(WordpieceTokenizerTest, PunctuationAndChineseStandAlone) {
  const auto tokenizer = Make();
  EXPECT_THAT(IdsOf(*tokenizer, "red!!cat"), ElementsAre(2, 6, 10, 10, 7, 3));
  EXPECT_THAT(IdsOf(*tokenizer, "red\u56fe\u50cfs"),
              ElementsAre(2, 6, 12, 13, 1, 3));
}

TEST(WordpieceTokenizerTest, CaseAndAccentsGoUnlessTheModelIsCased) {
  EXPECT_THAT(IdsOf(*Make(), "RED Cr\u00e8me CRE\u0300ME"),
              ElementsAre(2, 6, 14, 14, 3));
  const auto cased = Make(R"({"do_lower_case": false})");
  EXPECT_THAT(IdsOf(*cased, "Red red RED Cr\u00e8me Creme"),
              ElementsAre(2, 15, 6, 1, 19, 1, 3));
  const auto accents =
      Make(R"({"do_lower_case": false, "strip_accents": true})");
  EXPECT_THAT(IdsOf(*accents, "cre\u0300me"), ElementsAre(2, 14, 3));
}

TEST(WordpieceTokenizerTest, ControlCharactersGoAndSpacesAreOne) {
  // Zero width space, soft hyphen, replacement character and NUL vanish within
  // a word; tab, no-break space and line separator end it.
  EXPECT_THAT(
      IdsOf(*Make(), absl::string_view(
                         "r\u200be\u00ad\ufffdd\0\tcat\u00a0a\u2028a", 23)),
      ElementsAre(2, 6, 7, 5, 5, 3));
}

TEST(WordpieceTokenizerTest, SpecialTokensAreMatchedAsWritten) {
  const auto tokenizer = Make();
  EXPECT_THAT(IdsOf(*tokenizer, "a[MASK]cat"), ElementsAre(2, 5, 4, 7, 3));
  // In lower case it is a text: "[", "mask", "]".
  EXPECT_THAT(IdsOf(*tokenizer, "[mask]"), ElementsAre(2, 1, 1, 1, 3));
}

TEST(WordpieceTokenizerTest, NamesOfSpecialTokensComeFromTheFiles) {
  TokenizerDirectory directory;
  directory.Write("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\na\n");
  directory.Write("tokenizer_config.json",
                  R"({"unk_token": "<unk>", "cls_token": {"content": "<s>"}})");
  directory.Write("special_tokens_map.json",
                  R"({"sep_token": "</s>", "pad_token": "<pad>"})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  EXPECT_THAT(IdsOf(*tokenizer, "a b"), ElementsAre(2, 4, 1, 3));
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST(WordpieceTokenizerTest, LongTextKeepsItsBeginningAndTheEndToken) {
  const auto tokenizer = Make("{}", 5);
  EXPECT_FALSE(tokenizer->Tokenize("a cats")->truncated);
  const auto cut = tokenizer->Tokenize("a red cats");
  EXPECT_TRUE(cut->truncated);
  EXPECT_THAT(cut->ids, ElementsAre(2, 5, 6, 7, 3));
  EXPECT_EQ(Make(R"({"model_max_length": 4})")->context_length(), 4);
  EXPECT_EQ(Make(R"({"model_max_length": 1e30})")->context_length(), 64);
}

TEST(WordpieceTokenizerTest, WordOfMoreThanAHundredCharactersIsUnknown) {
  const auto tokenizer = Make("{}", 300);
  EXPECT_EQ(IdsOf(*tokenizer, std::string(100, 'a')).size(), 102u);
  EXPECT_THAT(IdsOf(*tokenizer, std::string(101, 'a')), ElementsAre(2, 1, 3));
}

TEST(WordpieceTokenizerTest, TokenizerJsonSaysTheSame) {
  Json ids = Json::object();
  int id = 0;
  std::string token;
  for (const char c : std::string(kVocabulary)) {
    if (c != '\n') {
      token += c;
      continue;
    }
    ids[token] = id++;
    token.clear();
  }
  const auto added = [](int number, const char* content) {
    return Json{{"id", number},        {"content", content},
                {"lstrip", false},     {"rstrip", false},
                {"special", true},     {"normalized", false},
                {"single_word", false}};
  };
  const Json tokenizer = {
      {"added_tokens",
       {added(1, "[UNK]"), added(2, "[CLS]"), added(3, "[SEP]"),
        added(4, "[MASK]")}},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "[CLS]"}}}},
          {{"Sequence", {{"id", "A"}}}},
          {{"SpecialToken", {{"id", "[SEP]"}}}}}}}},
      {"model",
       {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", ids}}}};
  TokenizerDirectory directory;
  directory.Write("tokenizer.json", tokenizer.dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto from_json, directory.Load());
  const auto from_files = Make();
  for (const char* text : {"a red cat.", "RED CRE\u0300ME [MASK]", "dog", ""}) {
    EXPECT_EQ(IdsOf(*from_json, text), IdsOf(*from_files, text)) << text;
  }
  // The configuration has the last word about case.
  directory.Write("tokenizer_config.json", R"({"do_lower_case": false})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto cased, directory.Load());
  EXPECT_THAT(IdsOf(*cased, "Red"), ElementsAre(2, 15, 3));
  // Another splitter is another tokeniser.
  Json other = tokenizer;
  other["pre_tokenizer"]["type"] = "Whitespace";
  directory.Write("tokenizer.json", other.dump());
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("known: BertPreTokenizer")));
}

TEST(WordpieceTokenizerTest, BadFilesAreRefused) {
  TokenizerDirectory directory;
  directory.Write("vocab.txt", "a\n[UNK]\n[CLS]\n");
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("lacks [CLS] or [SEP]")));
  directory.Write("vocab.txt", "a\n[SEP]\n[CLS]\n");
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("lacks its unknown token [UNK]")));
  directory.Write("vocab.txt", "");
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("vocab.txt")));
  directory.Write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n\xff\n");
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("not valid UTF-8 at byte 18")));
  directory.Write("vocab.txt", kVocabulary);
  EXPECT_THAT(directory.Load(512, 20).status(),
              StatusIs(kInvalid, HasSubstr("ids outside the 20")));
  EXPECT_THAT(directory.Load(2).status(),
              StatusIs(kInvalid, HasSubstr("a context must hold")));
}

TEST(WordpieceTokenizerTest, InvalidAndTooLongTextsAreRefused) {
  const auto tokenizer = Make();
  EXPECT_THAT(tokenizer->Tokenize("red \xc3").status(),
              StatusIs(kInvalid, HasSubstr("not valid UTF-8 at byte 4")));
  EXPECT_THAT(
      tokenizer->Tokenize(std::string(Tokenizer::kTextBytesMax + 1, 'a'))
          .status(),
      StatusIs(kInvalid, HasSubstr("65536 bytes")));
}

}  // namespace
}  // namespace diptych::inference
