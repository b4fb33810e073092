#include "storage/filter/filter_tokens.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/filter/excerpt.h"

namespace diptych::storage {
namespace {

constexpr absl::string_view kKeywords[] = {
    "AND", "OR",   "NOT",  "IN",    "CONTAINS", "MATCHES",
    "IS",  "NULL", "TRUE", "FALSE", "INFINITY"};
// Longer ones first.
constexpr absl::string_view kSymbols[] = {"==", "!=", "<=", ">=", "=", "<",
                                          ">",  "(",  ")",  "[",  "]", ","};

bool StartsName(char c) {
  return absl::ascii_isalpha(c) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool ContinuesName(char c) {
  return StartsName(c) || absl::ascii_isdigit(c) || c == '.';
}

// The keyword that a word is, or "".
absl::string_view KeywordOf(absl::string_view word) {
  for (const absl::string_view keyword : kKeywords) {
    if (absl::EqualsIgnoreCase(word, keyword)) return keyword;
  }
  return "";
}

}  // namespace

std::string Describe(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kEnd:
      return "the end";
    case Token::Kind::kString:
      return absl::StrCat("the text '", Excerpt(token.text), "'");
    case Token::Kind::kName:
    case Token::Kind::kQuotedName:
    case Token::Kind::kKeyword:
    case Token::Kind::kNumber:
    case Token::Kind::kSymbol:
      break;
  }
  return absl::StrCat("'", Excerpt(token.text), "'");
}

bool NeedsQuotes(absl::string_view name) {
  if (name.empty() || name == "id" || name == "timestamp" ||
      name == "geo_distance") {
    return true;
  }
  return !StartsName(name[0]) ||
         !std::all_of(name.begin(), name.end(), ContinuesName) ||
         !KeywordOf(name).empty();
}

absl::Status TokenReader::ErrorAt(size_t offset,
                                  absl::string_view message) const {
  // Bytes that continue a UTF-8 character do not count.
  const auto column = std::count_if(
      text_.begin(), text_.begin() + std::min(offset, text_.size()),
      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return InvalidField("filter",
                      absl::StrCat("column ", column + 1, ": ", message));
}

bool TokenReader::AtDigit(size_t offset) const {
  return offset < text_.size() && absl::ascii_isdigit(text_[offset]);
}

absl::StatusOr<Token> TokenReader::Next() {
  while (position_ < text_.size() && absl::ascii_isspace(text_[position_])) {
    ++position_;
  }
  if (position_ == text_.size()) {
    Token end;
    end.offset = position_;
    return end;
  }
  const char c = text_[position_];
  if (c == '\'' || c == '"') return ReadQuoted(c, Token::Kind::kString);
  if (c == '`') return ReadQuoted(c, Token::Kind::kQuotedName);
  if (absl::ascii_isdigit(c) || c == '+' || c == '-' ||
      (c == '.' && AtDigit(position_ + 1))) {
    return ReadNumber();
  }
  if (StartsName(c)) {
    Token word = ReadWord();
    if (word.text == "INFINITY" && word.kind == Token::Kind::kKeyword) {
      word.kind = Token::Kind::kNumber;
      word.number = std::numeric_limits<double>::infinity();
    }
    return word;
  }
  for (const absl::string_view symbol : kSymbols) {
    if (!absl::StartsWith(text_.substr(position_), symbol)) continue;
    Token token;
    token.kind = Token::Kind::kSymbol;
    token.text = std::string(symbol);
    token.offset = position_;
    position_ += symbol.size();
    return token;
  }
  return ErrorAt(position_, absl::StrCat("unexpected character '",
                                         text_.substr(position_, 1), "'"));
}

absl::StatusOr<Token> TokenReader::ReadQuoted(char quote, Token::Kind kind) {
  Token token;
  token.kind = kind;
  token.offset = position_;
  for (++position_; position_ < text_.size(); ++position_) {
    if (text_[position_] != quote) {
      token.text.push_back(text_[position_]);
    } else if (position_ + 1 < text_.size() && text_[position_ + 1] == quote) {
      token.text.push_back(quote);
      ++position_;
    } else {
      ++position_;
      return token;
    }
  }
  return ErrorAt(
      token.offset,
      absl::StrCat("expected the closing quote (", std::string(1, quote),
                   ") of what begins here, found the end"));
}

absl::StatusOr<Token> TokenReader::ReadNumber() {
  Token token;
  token.kind = Token::Kind::kNumber;
  token.offset = position_;
  const bool negative = text_[position_] == '-';
  if (negative || text_[position_] == '+') ++position_;
  const size_t digits = position_;
  if (position_ < text_.size() && StartsName(text_[position_])) {
    const Token word = ReadWord();
    if (word.text != "INFINITY") {
      return ErrorAt(digits, absl::StrCat("expected a number after the sign, "
                                          "found ",
                                          Describe(word)));
    }
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    token.number = negative ? -kInfinity : kInfinity;
    token.text =
        std::string(text_.substr(token.offset, position_ - token.offset));
    return token;
  }
  bool whole = true;
  while (AtDigit(position_)) ++position_;
  if (position_ < text_.size() && text_[position_] == '.') {
    whole = false;
    ++position_;
    while (AtDigit(position_)) ++position_;
  }
  if (position_ < text_.size() &&
      (text_[position_] == 'e' || text_[position_] == 'E')) {
    whole = false;
    ++position_;
    if (position_ < text_.size() &&
        (text_[position_] == '+' || text_[position_] == '-')) {
      ++position_;
    }
    while (AtDigit(position_)) ++position_;
  }
  // A letter right behind ("12abc") belongs to a word that is no number.
  while (position_ < text_.size() && ContinuesName(text_[position_])) {
    ++position_;
  }
  token.text =
      std::string(text_.substr(token.offset, position_ - token.offset));
  // from_chars takes no '+'.
  const size_t first = text_[token.offset] == '+' ? digits : token.offset;
  const char* begin = text_.data() + first;
  const char* end = text_.data() + position_;
  std::from_chars_result result;
  if (whole) {
    int64_t integer = 0;
    result = std::from_chars(begin, end, integer);
    token.number = integer;
  } else {
    double number = 0;
    result = std::from_chars(begin, end, number);
    token.number = number;
  }
  if (result.ec == std::errc::result_out_of_range) {
    return ErrorAt(
        token.offset,
        absl::StrCat("a number that fits in ",
                     whole ? "64 bits (write it with a '.' for a "
                             "floating-point number)"
                           : "a double",
                     " is expected, found '", Excerpt(token.text), "'"));
  }
  if (result.ec != std::errc() || result.ptr != end) {
    return ErrorAt(token.offset, absl::StrCat("expected a number, found '",
                                              Excerpt(token.text), "'"));
  }
  return token;
}

Token TokenReader::ReadWord() {
  Token token;
  token.offset = position_;
  while (position_ < text_.size() && ContinuesName(text_[position_])) {
    ++position_;
  }
  const absl::string_view word =
      text_.substr(token.offset, position_ - token.offset);
  const absl::string_view keyword = KeywordOf(word);
  token.kind = keyword.empty() ? Token::Kind::kName : Token::Kind::kKeyword;
  token.text = std::string(keyword.empty() ? word : keyword);
  return token;
}

}  // namespace diptych::storage
