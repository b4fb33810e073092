// A directory with a tokeniser's files, for tests.
#pragma once

#include <cstdint>
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

}  // namespace diptych::inference
