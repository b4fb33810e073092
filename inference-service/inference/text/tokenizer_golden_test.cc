// The ids that Hugging Face's tokenisers give, as published with
// transformers.js. Where the vocabulary of a checkpoint is not at hand, the
// tokens and ids of the cases themselves are one: for WordPiece that is exact,
// because the longest token that fits is among them, and no longer one is.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inference/text/json_file.h"
#include "inference/text/tokenizer_directory_test.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;

class TokenizerGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* testdata = std::getenv("DIPTYCH_TESTDATA");
    if (testdata == nullptr) {
      GTEST_SKIP() << "needs DIPTYCH_TESTDATA: a folder with golden/tok_*.json "
                      "and the published vocabularies";
    }
    folder_ = testdata;
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  static int ExpectIds(const Tokenizer& tokenizer, const Json& cases,
                       const std::string& checkpoint) {
    int count = 0;
    for (const Json& expected : cases) {
      if (!expected["text"].is_string()) continue;
      // A pair of texts: no model here reads two.
      if (expected.contains("text_pair")) continue;
      EXPECT_EQ(IdsOf(tokenizer, expected["text"].get<std::string>()),
                expected["ids"].get<std::vector<int32_t>>())
          << checkpoint << " " << expected["name"];
      ++count;
    }
    return count;
  }

  // A vocab.txt of the cases' own tokens.
  static std::string VocabularyOfCases(const Json& cases) {
    std::map<int32_t, std::string> tokens = {{101, "[CLS]"}, {102, "[SEP]"}};
    for (const Json& expected : cases) {
      const auto ids = expected["ids"].get<std::vector<int32_t>>();
      const auto texts = expected["tokens"].get<std::vector<std::string>>();
      EXPECT_EQ(ids.size(), texts.size() + 2);
      for (size_t i = 0; i < texts.size(); ++i) tokens[ids[i + 1]] = texts[i];
    }
    tokens.emplace(100, "[UNK]");
    std::string text;
    int32_t line = 0;
    for (const auto& [id, token] : tokens) {
      for (; line < id; ++line) text += "\n";
      absl::StrAppend(&text, token);
    }
    return text;
  }

  fs::path folder_;
};

TEST_F(TokenizerGoldenTest, WordpieceGivesThePublishedIds) {
  int checkpoints = 0;
  int cases = 0;
  for (const char* file :
       {"golden/tok_bert.json", "golden/tok_distilbert.json"}) {
    const Json golden = Json::parse(Read(file));
    for (const auto& [checkpoint, texts] : golden.items()) {
      // Two of the file are SentencePiece.
      if (!texts.is_array() || absl::StrContains(checkpoint, "MiniLM") ||
          absl::StrContains(checkpoint, "e5-small")) {
        continue;
      }
      TokenizerDirectory directory;
      const bool lowercase = absl::StrContains(checkpoint, "uncased") ||
                             absl::StrContains(checkpoint, "bge-base");
      const std::string config =
          lowercase ? "{}" : "{\"do_lower_case\": false}";
      if (absl::StrContains(checkpoint, "multilingual") ||
          absl::StrContains(checkpoint, "LaBSE")) {
        directory.Write("vocab.txt", VocabularyOfCases(texts));
      } else {
        directory.Write(
            "vocab.txt",
            Read(absl::StrContains(checkpoint, "-zh")
                     ? "tokenizers/chinese-clip-vocab.txt"
                 : lowercase ? "tokenizers/bert-base-uncased-vocab.txt"
                             : "tokenizers/bert-base-cased-vocab.txt"));
      }
      directory.Write("tokenizer_config.json", config);
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, directory.Load());
      cases += ExpectIds(*tokenizer, texts, checkpoint);
      ++checkpoints;
    }
  }
  EXPECT_EQ(checkpoints, 11);
  EXPECT_EQ(cases, 145);
}

}  // namespace
}  // namespace diptych::inference
