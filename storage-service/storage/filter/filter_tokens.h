// The words of a filter's text (see filter_expression.h).
//
// Concurrency: a reader belongs to one thread.
// Limits: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kName,
    kQuotedName,
    kKeyword,
    kString,
    kNumber,
    kSymbol
  };
  Kind kind = Kind::kEnd;
  // Names and strings without their quotes, keywords in capitals.
  std::string text;
  std::variant<int64_t, double> number;
  size_t offset = 0;  // of the first byte
};

// As an error message shows it.
std::string Describe(const Token& token);

// Whether a name means something else unless it is back-quoted, or needs the
// quotes for its characters.
bool NeedsQuotes(absl::string_view name);

class TokenReader {
 public:
  // `text` must outlive the reader.
  explicit TokenReader(absl::string_view text) : text_(text) {}

  // kEnd at the end, again and again. INVALID_ARGUMENT: no token.
  absl::StatusOr<Token> Next();

  // INVALID_ARGUMENT on the field "filter" that names the column of `offset`.
  absl::Status ErrorAt(size_t offset, absl::string_view message) const;

 private:
  absl::StatusOr<Token> ReadQuoted(char quote, Token::Kind kind);
  absl::StatusOr<Token> ReadNumber();
  Token ReadWord();
  bool AtDigit(size_t offset) const;

  absl::string_view text_;
  size_t position_ = 0;
};

}  // namespace diptych::storage
