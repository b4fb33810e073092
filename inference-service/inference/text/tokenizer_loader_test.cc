#include "inference/text/tokenizer_loader.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/testing/byte_mutator.h"
#include "gtest/gtest.h"
#include "inference/text/json_file.h"
#include "inference/text/tokenizer_directory_test.h"

namespace diptych::inference {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Json Added(int id, const char* content) {
  return {{"id", id}, {"content", content}, {"normalized", false}};
}

// Compiled rules with the one that "B" becomes "b": the child by "B" of the
// root, whose leaf holds place 0 of the replacements.
std::string CharsmapOfOneRule() {
  std::vector<uint32_t> units(512, 0);
  units[0] = 256u << 10;  // children from 256 on
  units[256 ^ 'B'] = uint32_t{'B'} | 0x100 | (uint32_t{'B' ^ 1} << 10);
  units[(256 ^ 'B') ^ ('B' ^ 1)] = 0x80000000;
  std::string blob(4, '\0');
  blob[1] = '\x08';  // 2048 bytes
  for (const uint32_t unit : units) {
    for (int i = 0; i < 4; ++i) {
      blob.push_back(static_cast<char>(unit >> (8 * i)));
    }
  }
  return blob + std::string("b\0", 2);
}

Json UnigramJson() {
  Json pieces = Json::array();
  const std::pair<const char*, double> scores[] = {
      {"<s>", 0}, {"<pad>", 0}, {"</s>", 0},  {"<unk>", 0},      {"\u2581", -3},
      {"a", -2},  {"b", -2},    {"ab", -3.5}, {"\u2581a", -2.5}, {"c", -4}};
  for (const auto& [text, score] : scores) {
    pieces.push_back(Json::array({text, score}));
  }
  return {
      {"added_tokens", {Added(0, "<s>"), Added(1, "<pad>"), Added(2, "</s>")}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Precompiled"},
           {"precompiled_charsmap", absl::Base64Escape(CharsmapOfOneRule())}},
          {{"type", "Replace"},
           {"pattern", {{"Regex", " {2,}"}}},
           {"content", " "}}}}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "WhitespaceSplit"}},
          {{"type", "Metaspace"}, {"replacement", "\u2581"}}}}}},
      {"post_processor",
       {{"type", "RobertaProcessing"},
        {"cls", {"<s>", 0}},
        {"sep", {"</s>", 2}}}},
      {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", pieces}}}};
}

Json GemmaJson() {
  const Json ids = {{"<pad>", 0}, {"<eos>", 1},  {"<bos>", 2},
                    {"<unk>", 3}, {"<0xC3>", 4}, {"<0xA9>", 5},
                    {"a", 6},     {"b", 7},      {"\u2581", 8},
                    {"ab", 9},    {"bb", 10},    {"\u2581a", 11}};
  return {{"added_tokens", {Added(1, "<eos>"), Added(2, "<bos>")}},
          {"normalizer",
           {{"type", "Replace"},
            {"pattern", {{"String", " "}}},
            {"content", "\u2581"}}},
          {"pre_tokenizer", nullptr},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single",
             {{{"Sequence", {{"id", "A"}}}},
              {{"SpecialToken", {{"id", "<eos>"}}}}}}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", ids},
            {"merges", {{"b", "b"}, "a b", {"\u2581", "a"}}}}}};
}

TEST(TokenizerLoaderTest, UnigramFromTokenizerJson) {
  TokenizerDirectory directory;
  directory.Write("tokenizer.json", UnigramJson().dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  EXPECT_THAT(IdsOf(*tokenizer, "ab"), ElementsAre(0, 8, 6, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "cAB"), ElementsAre(0, 4, 9, 3, 6, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "aB  aB "), ElementsAre(0, 8, 6, 8, 6, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "a xyz"), ElementsAre(0, 8, 4, 3, 2));
  EXPECT_THAT(IdsOf(*tokenizer, "a</s>a"), ElementsAre(0, 8, 2, 8, 2));
  EXPECT_THAT(IdsOf(*tokenizer, ""), ElementsAre(0, 2));
  EXPECT_EQ(tokenizer->pad_id(), 1);
}

TEST(TokenizerLoaderTest, MetaspaceByItsScheme) {
  TokenizerDirectory directory;
  Json json = UnigramJson();
  json["pre_tokenizer"] = {{"type", "Metaspace"},
                           {"replacement", "\u2581"},
                           {"prepend_scheme", "first"},
                           {"split", false}};
  directory.Write("tokenizer.json", json.dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto first, directory.Load());
  // Without WhitespaceSplit a space at the end is a piece.
  EXPECT_THAT(IdsOf(*first, "a "), ElementsAre(0, 8, 4, 2));
  EXPECT_THAT(IdsOf(*first, "a</s>a"), ElementsAre(0, 8, 2, 5, 2));
  json["pre_tokenizer"]["prepend_scheme"] = "never";
  directory.Write("tokenizer.json", json.dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto never, directory.Load());
  EXPECT_THAT(IdsOf(*never, "a"), ElementsAre(0, 5, 2));
}

TEST(TokenizerLoaderTest, GemmaFromTokenizerJson) {
  TokenizerDirectory directory;
  directory.Write("tokenizer.json", GemmaJson().dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  // bb goes first, though ab stands before it.
  EXPECT_THAT(IdsOf(*tokenizer, "abb"), ElementsAre(6, 10, 1));
  EXPECT_THAT(IdsOf(*tokenizer, "ab ab"), ElementsAre(9, 8, 9, 1));
  EXPECT_THAT(IdsOf(*tokenizer, " a\u00e9"), ElementsAre(11, 4, 5, 1));
  // Without tokens for all of their bytes, characters are one unknown.
  EXPECT_THAT(IdsOf(*tokenizer, "axyza"), ElementsAre(6, 3, 6, 1));
  EXPECT_THAT(IdsOf(*tokenizer, "A"), ElementsAre(3, 1));
  EXPECT_EQ(tokenizer->pad_id(), 0);
  directory.Write("tokenizer_config.json",
                  R"({"add_bos_token": true, "add_eos_token": false})");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto gemma, directory.Load());
  EXPECT_THAT(IdsOf(*gemma, "a"), ElementsAre(2, 6));
}

TEST(TokenizerLoaderTest, UnknownKindsAreRefusedWithWhatIsKnown) {
  TokenizerDirectory directory;
  EXPECT_THAT(directory.Load().status(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("there is no tokeniser"),
                             HasSubstr("known kinds: CLIP's BPE"))));
  const auto refused = [&](const Json& json, const char* message) {
    directory.Write("tokenizer.json", json.dump());
    EXPECT_THAT(directory.Load().status(),
                StatusIs(kInvalid, AllOf(HasSubstr(message), HasSubstr("known"),
                                         Not(HasSubstr("\n")))));
  };
  refused({{"model", {{"type", "WordLevel"}}}}, "model's type is WordLevel");
  refused({{"model", 3}}, "\"model\" is not known: 3");
  Json json = UnigramJson();
  json["normalizer"]["normalizers"][1]["pattern"]["Regex"] = "a*";
  refused(json, "a component of \"normalizer\" is not known");
  json = UnigramJson();
  json["pre_tokenizer"] = {{"type", "Digits"}};
  refused(json, "\"pre_tokenizer\" of a unigram tokeniser");
  json = UnigramJson();
  json["model"]["byte_fallback"] = true;
  refused(json, "\"byte_fallback\"");
  json = GemmaJson();
  json["model"]["ignore_merges"] = true;
  refused(json, "\"ignore_merges\"");
  json = GemmaJson();
  json["model"]["merges"].push_back({"a", "a"});
  refused(json, "merge 3");
  json = GemmaJson();
  json["post_processor"] = {{"type", "ByteLevel"}};
  refused(json, "\"post_processor\"");
  TokenizerDirectory model;
  model.Write("spiece.model", "x");
  model.Write("tokenizer_config.json",
              R"({"tokenizer_class": "AlbertTokenizer"})");
  EXPECT_THAT(model.Load().status(),
              StatusIs(kInvalid, HasSubstr("is AlbertTokenizer; known kinds")));
}

TEST(TokenizerLoaderTest, HostileFilesAreRefused) {
  TokenizerDirectory directory;
  directory.Write("tokenizer.json", std::string(1'000'000, '['));
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("nested deeper than")));
  directory.Write("tokenizer.json", "{\"model\": \"\xff\"}");
  EXPECT_THAT(directory.Load().status(),
              StatusIs(kInvalid, HasSubstr("not a JSON object")));
  // Rules that lead outside their table, or to a replacement that is not there.
  for (const size_t place : {size_t{4}, size_t{4 + 4 * (256 ^ 'B') + 1}}) {
    Json json = UnigramJson();
    std::string blob = CharsmapOfOneRule();
    blob[place + 2] = '\x7f';
    json["normalizer"]["normalizers"][0]["precompiled_charsmap"] =
        absl::Base64Escape(blob);
    directory.Write("tokenizer.json", json.dump());
    EXPECT_THAT(directory.Load().status(),
                StatusIs(kInvalid, HasSubstr("rules are malformed")));
  }
  // A text that would grow without end.
  Json json = UnigramJson();
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  for (int i = 0; i < 4; ++i) {
    json["normalizer"]["normalizers"].push_back(
        {{"type", "Replace"},
         {"pattern", {{"String", "a"}}},
         {"content", std::string(1000, 'a')}});
  }
  directory.Write("tokenizer.json", json.dump());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
  EXPECT_THAT(tokenizer->Tokenize("aaaa").status(),
              StatusIs(kInvalid, HasSubstr("grows to more than")));
}

TEST(TokenizerLoaderTest, TextsOfTheLargestSizeTakeLinearTime) {
  TokenizerDirectory directory;
  std::vector<std::string> texts = {std::string(Tokenizer::kTextBytesMax, 'a'),
                                    std::string(Tokenizer::kTextBytesMax, ' '),
                                    std::string(Tokenizer::kTextBytesMax, '!')};
  std::string tokens;
  while (tokens.size() + 5 <= Tokenizer::kTextBytesMax) tokens += "<eos>";
  texts.push_back(tokens);
  for (const Json& json : {UnigramJson(), GemmaJson()}) {
    directory.Write("tokenizer.json", json.dump());
    for (const int context_length : {16, 1 << 20}) {
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                                   directory.Load(context_length));
      for (const std::string& text : texts) {
        EXPECT_THAT(tokenizer->Tokenize(text), IsOk());
      }
    }
  }
}

// DIPTYCH_MUTATIONS=1000000 looks longer.
TEST(TokenizerLoaderTest, MutatedFilesAreReadOrRefused) {
  const int rounds = MutationCount(1000);
  SentencePieceWriter writer(1, false, true);
  writer.Add("<unk>", 0, 2).Add("<s>", 0, 3).Add("</s>", 0, 3);
  writer.Add("\u2581a", -2.5f).Add("b", -2).Add("x", 0, 4);
  const std::pair<const char*, std::string> files[] = {
      {"tokenizer.json", UnigramJson().dump()},
      {"tokenizer.json", GemmaJson().dump()},
      {"vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n##b\n"},
      {"sentencepiece.bpe.model", writer.Finish()}};
  ByteMutator mutator(1);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto& [name, good] = files[mutator.Below(4)];
    std::string bytes = good;
    for (size_t i = 1 + mutator.Below(3); i > 0; --i) mutator.Damage(bytes);
    TokenizerDirectory directory;
    directory.Write(name, bytes);
    const auto tokenizer = directory.Load();
    if (!tokenizer.ok()) {
      ++refused;
      EXPECT_THAT(tokenizer.status(), StatusIs(kInvalid, HasSubstr("")));
      continue;
    }
    for (const char* text : {"a B\u00e9 <s> x", "", "ab ab\u56fe!"}) {
      for (const int32_t id : IdsOf(**tokenizer, text)) EXPECT_GE(id, 0);
    }
  }
  EXPECT_GT(refused, rounds / 20);
}

}  // namespace
}  // namespace diptych::inference
