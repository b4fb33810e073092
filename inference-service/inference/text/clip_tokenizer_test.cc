#include "inference/text/clip_tokenizer.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

fs::path DemoModel() {
  return fs::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
         "inference-service/models/demo";
}

std::unique_ptr<const Tokenizer> DemoTokenizer(int context_length = 32) {
  auto vocabulary =
      ParseTokenizerJson(ReadFile(DemoModel() / "model/tokenizer.json"));
  EXPECT_THAT(vocabulary, IsOk());
  auto tokenizer =
      ClipTokenizer::Create(*std::move(vocabulary), context_length);
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

std::vector<int32_t> IdsOf(const Tokenizer& tokenizer, absl::string_view text) {
  const auto tokens = tokenizer.Tokenize(text);
  EXPECT_THAT(tokens, IsOk());
  return tokens.ok() ? tokens->ids : std::vector<int32_t>();
}

// OpenAI's published file: the vocabulary is the byte characters (those that
// stand for themselves first), the same with "</w>", the merges, the two
// tokens.
BpeVocabulary VocabularyOfOpenAi(const fs::path& gzip_file) {
  std::FILE* pipe =
      popen(absl::StrCat("gzip -dc '", gzip_file.string(), "'").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string text;
  char buffer[1 << 16];
  for (size_t count; (count = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    text.append(buffer, count);
  }
  EXPECT_EQ(pclose(pipe), 0);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');

  std::vector<std::string> tokens;
  const auto add_character = [&](int code) {
    tokens.push_back(
        code < 0x80 ? std::string(1, static_cast<char>(code))
                    : std::string{static_cast<char>(0xc0 | code >> 6),
                                  static_cast<char>(0x80 | (code & 0x3f))});
  };
  for (int code = 33; code <= 126; ++code) add_character(code);
  for (int code = 161; code <= 172; ++code) add_character(code);
  for (int code = 174; code <= 255; ++code) add_character(code);
  for (int code = 256; code < 256 + 68; ++code) add_character(code);
  for (int i = 0; i < 256; ++i) tokens.push_back(tokens[i] + "</w>");
  std::string merges;
  for (int i = 1; i <= 48894; ++i) {
    absl::StrAppend(&merges, lines[i], "\n");
    const std::vector<std::string> pair = absl::StrSplit(lines[i], ' ');
    tokens.push_back(pair[0] + pair[1]);
  }
  tokens.push_back("<|startoftext|>");
  tokens.push_back("<|endoftext|>");
  Json vocab = Json::object();
  for (size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
  auto vocabulary = ParseVocabularyFiles(vocab.dump(), merges);
  EXPECT_THAT(vocabulary, IsOk());
  return *std::move(vocabulary);
}

TEST(ClipTokenizerTest, GoldenTextsOfTheDemoModel) {
  const auto tokenizer = DemoTokenizer();
  const Json golden = Json::parse(ReadFile(DemoModel() / "golden/golden.json"));
  ASSERT_FALSE(golden["cases"].empty());
  for (const Json& expected : golden["cases"]) {
    EXPECT_EQ(IdsOf(*tokenizer, expected["caption"].get<std::string>()),
              expected["input_ids"].get<std::vector<int32_t>>())
        << expected["caption"];
  }
}

TEST(ClipTokenizerTest, BothFormsOfTheVocabularyGiveTheSameIds) {
  const auto from_json = DemoTokenizer();
  auto vocabulary =
      ParseVocabularyFiles(ReadFile(DemoModel() / "model/vocab.json"),
                           ReadFile(DemoModel() / "model/merges.txt"));
  ASSERT_THAT(vocabulary, IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto from_files, ClipTokenizer::Create(*std::move(vocabulary), 32));
  for (const char* text :
       {"two blue squares on a purple background", "It's 42!",
        "Crème <|endoftext|> brûlée", "<|STARTOFTEXT|>!", "  "}) {
    EXPECT_EQ(IdsOf(*from_json, text), IdsOf(*from_files, text)) << text;
  }
}

TEST(ClipTokenizerTest, PublishedVocabularyGivesThePublishedIds) {
  const char* testdata = std::getenv("DIPTYCH_TESTDATA");
  if (testdata == nullptr) {
    GTEST_SKIP()
        << "needs DIPTYCH_TESTDATA: a folder with golden/tok_clip.json "
           "and CLIP's published vocabularies";
  }
  const fs::path folder = testdata;
  auto published =
      ParseTokenizerJson(ReadFile(folder / "tokenizers/clip-tokenizer.json"));
  ASSERT_THAT(published, IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto max_length,
      ParseModelMaxLength(
          ReadFile(folder / "tokenizers/clip-tokenizer_config.json")));
  EXPECT_EQ(max_length, 77);
  const Json golden = Json::parse(ReadFile(folder / "golden/tok_clip.json"));
  int cases = 0;
  for (const BpeVocabulary& vocabulary :
       {*published,
        VocabularyOfOpenAi(folder / "clip_bpe/bpe_simple_vocab_16e6.txt.gz")}) {
    EXPECT_EQ(vocabulary.begin_id, 49406);
    for (const auto& [checkpoint, texts] : golden.items()) {
      if (!texts.is_array()) continue;
      BpeVocabulary own = vocabulary;
      // OWL-ViT pads with "!" and matches it as a whole; the rest is CLIP's.
      if (absl::StrContains(checkpoint, "owlvit")) {
        own.added_tokens.push_back({"!", 0, false});
      }
      // The golden ids are not truncated.
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                                   ClipTokenizer::Create(std::move(own), 512));
      for (const Json& expected : texts) {
        EXPECT_EQ(IdsOf(*tokenizer, expected["text"].get<std::string>()),
                  expected["ids"].get<std::vector<int32_t>>())
            << checkpoint << " " << expected["name"];
        ++cases;
      }
    }
  }
  EXPECT_EQ(cases, 2 * 26);
}

TEST(ClipTokenizerTest, CaseAndCompositionDoNotMatter) {
  const auto tokenizer = DemoTokenizer();
  EXPECT_EQ(IdsOf(*tokenizer, "A RED Circle"),
            IdsOf(*tokenizer, "a\tred \u3000 circle\n"));
  EXPECT_EQ(IdsOf(*tokenizer, "caf\u00e9"), IdsOf(*tokenizer, "cafe\u0301"));
}

TEST(ClipTokenizerTest, EmptyTextIsBeginAndEnd) {
  const auto tokenizer = DemoTokenizer();
  EXPECT_THAT(IdsOf(*tokenizer, ""), ElementsAre(824, 825));
  EXPECT_THAT(IdsOf(*tokenizer, " \n\u00a0"), ElementsAre(824, 825));
}

TEST(ClipTokenizerTest, EndTokenInATextIsOneId) {
  const auto tokenizer = DemoTokenizer();
  EXPECT_THAT(IdsOf(*tokenizer, "<|endoftext|>"), ElementsAre(824, 825, 825));
  // In capitals it is text like any other.
  EXPECT_GT(IdsOf(*tokenizer, "<|ENDOFTEXT|>").size(), 5u);
  // The begin token is looked for in the lower-cased text.
  EXPECT_THAT(IdsOf(*tokenizer, "<|StartOfText|>"), ElementsAre(824, 824, 825));
}

TEST(ClipTokenizerTest, LongTextKeepsItsBeginningAndTheEndToken) {
  const std::string text = "red blue green red blue green";
  const std::vector<int32_t> all = IdsOf(*DemoTokenizer(), text);
  ASSERT_EQ(all.size(), 8u);
  const auto exact = DemoTokenizer(8)->Tokenize(text);
  EXPECT_FALSE(exact->truncated);
  EXPECT_EQ(exact->ids, all);
  const auto cut = DemoTokenizer(7)->Tokenize(text);
  EXPECT_TRUE(cut->truncated);
  std::vector<int32_t> expected(all.begin(), all.begin() + 6);
  expected.push_back(825);
  EXPECT_EQ(cut->ids, expected);
}

TEST(ClipTokenizerTest, InvalidUtf8IsRefusedWithItsPlace) {
  const auto tokenizer = DemoTokenizer();
  for (const char* text : {"red \xff", "red \xc3", "red \xed\xa0\x80",
                           "red \xc0\xaf", "red \xf4\x90\x80\x80"}) {
    EXPECT_THAT(tokenizer->Tokenize(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("not valid UTF-8 at byte 4")));
  }
}

TEST(ClipTokenizerTest, TextOfTheLargestSizeIsQuickAndALargerOneRefused) {
  const auto tokenizer = DemoTokenizer();
  // One word: the worst case for merging.
  EXPECT_TRUE(tokenizer->Tokenize(std::string(Tokenizer::kTextBytesMax, 'a'))
                  ->truncated);
  EXPECT_THAT(
      tokenizer->Tokenize(std::string(Tokenizer::kTextBytesMax + 1, 'a')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536 bytes")));
}

TEST(ClipTokenizerTest, ThreadsShareOneTokenizer) {
  const auto tokenizer = DemoTokenizer();
  const std::vector<int32_t> expected =
      IdsOf(*tokenizer, "a big green star, 3 hearts");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_EQ(IdsOf(*tokenizer, "a big green star, 3 hearts"), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace diptych::inference
