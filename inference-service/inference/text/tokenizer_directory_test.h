// A directory with a tokeniser's files, for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gtest/gtest.h"
#include "inference/text/tokenizer_loader.h"

namespace diptych::inference {

class TokenizerDirectory {
 public:
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_.File(name), std::ios::binary) << bytes;
  }

  absl::StatusOr<std::unique_ptr<const Tokenizer>> Load(
      int context_length = 512, int vocabulary_size = 1 << 22) const {
    return LoadTokenizer(directory_.path().string(),
                         {context_length, vocabulary_size});
  }

 private:
  TempDirectory directory_;
};

inline std::vector<int32_t> IdsOf(const Tokenizer& tokenizer,
                                  absl::string_view text) {
  const auto tokens = tokenizer.Tokenize(text);
  EXPECT_THAT(tokens, IsOk());
  return tokens.ok() ? tokens->ids : std::vector<int32_t>();
}

// Serialises a SentencePiece model. Of kind 1 (unigram) or 2 (BPE).
class SentencePieceWriter {
 public:
  SentencePieceWriter(char kind, bool byte_fallback, bool spaces)
      : settings_(Field(2, std::string{'\x18', kind, '\x98', '\x02',
                                       byte_fallback ? '\1' : '\0'}) +
                  Field(3, std::string{'\x18', spaces ? '\1' : '\0', '\x20',
                                       spaces ? '\1' : '\0'})) {}

  // Of type 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
  SentencePieceWriter& Add(const std::string& text, float score,
                           char type = 1) {
    std::string number(4, '\0');
    std::memcpy(number.data(), &score, 4);
    pieces_ += Field(1, Field(1, text) + '\x15' + number + '\x18' + type);
    return *this;
  }

  std::string Finish() const { return pieces_ + settings_; }

 private:
  static std::string Field(int number, const std::string& bytes) {
    std::string field(1, static_cast<char>(number << 3 | 2));
    size_t size = bytes.size();
    for (; size >= 0x80; size >>= 7) {
      field.push_back(static_cast<char>(size | 0x80));
    }
    field.push_back(static_cast<char>(size));
    return field + bytes;
  }

  const std::string settings_;
  std::string pieces_;
};

}  // namespace diptych::inference
