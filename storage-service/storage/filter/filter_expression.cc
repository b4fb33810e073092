#include "storage/filter/filter_expression.h"

#include <cmath>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/filter/excerpt.h"
#include "storage/filter/filter_tokens.h"

namespace diptych::storage {
namespace {

class Parser {
 public:
  Parser(absl::string_view text, const Limits& limits)
      : tokens_(text), depth_max_(limits.filter_depth_max) {}

  absl::StatusOr<Filter> Parse() {
    DIPTYCH_RETURN_IF_ERROR(Advance());
    DIPTYCH_ASSIGN_OR_RETURN(Filter filter, ParseOr());
    if (token_.kind != Token::Kind::kEnd) {
      return Expected("AND, OR or the end after a condition");
    }
    return filter;
  }

 private:
  using Kind = Token::Kind;

  absl::Status Advance() {
    DIPTYCH_ASSIGN_OR_RETURN(token_, tokens_.Next());
    return absl::OkStatus();
  }
  absl::Status Expected(absl::string_view what) const {
    return tokens_.ErrorAt(
        token_.offset,
        absl::StrCat("expected ", what, ", found ", Describe(token_)));
  }
  bool Is(absl::string_view symbol_or_keyword) const {
    return (token_.kind == Kind::kSymbol || token_.kind == Kind::kKeyword) &&
           token_.text == symbol_or_keyword;
  }
  // Moves on if it is there.
  absl::StatusOr<bool> Accept(absl::string_view symbol_or_keyword) {
    if (!Is(symbol_or_keyword)) return false;
    DIPTYCH_RETURN_IF_ERROR(Advance());
    return true;
  }
  absl::Status Expect(absl::string_view symbol, absl::string_view context) {
    if (!Is(symbol)) {
      return Expected(absl::StrCat("'", symbol, "' ", context));
    }
    return Advance();
  }

  // One child stands for itself.
  template <typename Node>
  static Filter Joined(std::vector<Filter> children) {
    if (children.size() == 1) return std::move(children.front());
    return {Node{std::move(children)}};
  }

  absl::StatusOr<Filter> ParseOr() {
    std::vector<Filter> children;
    do {
      DIPTYCH_ASSIGN_OR_RETURN(Filter child, ParseAnd());
      children.push_back(std::move(child));
      DIPTYCH_ASSIGN_OR_RETURN(more_, Accept("OR"));
    } while (more_);
    return Joined<OrFilter>(std::move(children));
  }

  absl::StatusOr<Filter> ParseAnd() {
    std::vector<Filter> children;
    do {
      DIPTYCH_ASSIGN_OR_RETURN(Filter child, ParseNegation());
      children.push_back(std::move(child));
      DIPTYCH_ASSIGN_OR_RETURN(more_, Accept("AND"));
    } while (more_);
    return Joined<AndFilter>(std::move(children));
  }

  absl::StatusOr<Filter> ParseNegation() {
    if (depth_ == depth_max_) {
      return tokens_.ErrorAt(token_.offset,
                             absl::StrCat("parentheses and NOTs are at most ",
                                          depth_max_, " levels deep"));
    }
    ++depth_;
    auto filter = ParseNested();
    --depth_;
    return filter;
  }

  absl::StatusOr<Filter> ParseNested() {
    DIPTYCH_ASSIGN_OR_RETURN(const bool negated, Accept("NOT"));
    if (negated) {
      DIPTYCH_ASSIGN_OR_RETURN(Filter child, ParseNegation());
      NotFilter node;
      node.child.push_back(std::move(child));
      return Filter{std::move(node)};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool grouped, Accept("("));
    if (grouped) {
      DIPTYCH_ASSIGN_OR_RETURN(Filter inner, ParseOr());
      DIPTYCH_RETURN_IF_ERROR(Expect(")", "to close '('"));
      return inner;
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool all, Accept("TRUE"));
    if (all) return Filter{AndFilter{}};
    DIPTYCH_ASSIGN_OR_RETURN(const bool none, Accept("FALSE"));
    if (none) return Filter{OrFilter{}};
    return ParsePredicate();
  }

  absl::StatusOr<Filter> ParsePredicate() {
    if (token_.kind != Kind::kName && token_.kind != Kind::kQuotedName) {
      return Expected("a property, '(' or NOT");
    }
    const bool bare = token_.kind == Kind::kName;
    const std::string name = token_.text;
    DIPTYCH_RETURN_IF_ERROR(Advance());
    if (bare && name == "geo_distance" && Is("(")) return ParseGeoDistance();
    if (bare && name == "id") return ParseIdPredicate();
    return ParsePropertyPredicate(name);
  }

  absl::StatusOr<Filter> ParsePropertyPredicate(const std::string& property) {
    static constexpr std::pair<const char*, CompareOperator> kOperators[] = {
        {"==", CompareOperator::kEqual},
        {"=", CompareOperator::kEqual},
        {"!=", CompareOperator::kNotEqual},
        {"<", CompareOperator::kLess},
        {"<=", CompareOperator::kLessOrEqual},
        {">", CompareOperator::kGreater},
        {">=", CompareOperator::kGreaterOrEqual}};
    for (const auto& [symbol, op] : kOperators) {
      if (!Is(symbol)) continue;
      DIPTYCH_RETURN_IF_ERROR(Advance());
      DIPTYCH_ASSIGN_OR_RETURN(FilterOperand operand,
                               ParseValue(absl::StrCat("'", symbol, "'")));
      return Filter{CompareFilter{property, op, std::move(operand)}};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool is, Accept("IS"));
    if (is) {
      DIPTYCH_ASSIGN_OR_RETURN(const bool not_null, Accept("NOT"));
      if (!Is("NULL")) return Expected("NULL after IS");
      DIPTYCH_RETURN_IF_ERROR(Advance());
      return Filter{IsNullFilter{property, not_null}};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool negated, Accept("NOT"));
    DIPTYCH_ASSIGN_OR_RETURN(const bool in, Accept("IN"));
    if (in) {
      InFilter node{property, {}, negated};
      DIPTYCH_RETURN_IF_ERROR(ParseList([&]() -> absl::Status {
        DIPTYCH_ASSIGN_OR_RETURN(FilterOperand operand, ParseValue("IN"));
        node.operands.push_back(std::move(operand));
        return absl::OkStatus();
      }));
      return Filter{std::move(node)};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool contains, Accept("CONTAINS"));
    if (contains) {
      DIPTYCH_ASSIGN_OR_RETURN(FilterOperand operand, ParseValue("CONTAINS"));
      return Filter{ContainsFilter{property, std::move(operand), negated}};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool matches, Accept("MATCHES"));
    if (matches) {
      DIPTYCH_ASSIGN_OR_RETURN(std::string pattern, ParseString("MATCHES"));
      return Filter{MatchesFilter{property, std::move(pattern), negated}};
    }
    return Expected(negated ? "IN, CONTAINS or MATCHES after NOT"
                            : "an operator after the property (==, !=, <, <=, "
                              ">, >=, IN, CONTAINS, MATCHES, IS)");
  }

  absl::StatusOr<Filter> ParseIdPredicate() {
    const bool unequal = Is("!=");
    if (unequal || Is("==") || Is("=")) {
      DIPTYCH_RETURN_IF_ERROR(Advance());
      DIPTYCH_ASSIGN_OR_RETURN(std::string id, ParseString("id"));
      return Filter{IdInFilter{{std::move(id)}, unequal}};
    }
    DIPTYCH_ASSIGN_OR_RETURN(const bool negated, Accept("NOT"));
    if (!Is("IN")) {
      return Expected(
          "==, !=, IN or NOT IN after id (write `id` for a "
          "property of that name)");
    }
    DIPTYCH_RETURN_IF_ERROR(Advance());
    IdInFilter node{{}, negated};
    DIPTYCH_RETURN_IF_ERROR(ParseList([&]() -> absl::Status {
      DIPTYCH_ASSIGN_OR_RETURN(std::string id, ParseString("IN"));
      node.ids.push_back(std::move(id));
      return absl::OkStatus();
    }));
    return Filter{std::move(node)};
  }

  template <typename ParseMember>
  absl::Status ParseList(ParseMember parse_member) {
    DIPTYCH_RETURN_IF_ERROR(Expect("[", "after IN"));
    DIPTYCH_ASSIGN_OR_RETURN(const bool empty, Accept("]"));
    if (empty) return absl::OkStatus();
    while (true) {
      DIPTYCH_RETURN_IF_ERROR(parse_member());
      DIPTYCH_ASSIGN_OR_RETURN(const bool more, Accept(","));
      if (!more) return Expect("]", "or ',' after a list's value");
    }
  }

  absl::StatusOr<Filter> ParseGeoDistance() {
    GeoDistanceFilter node;
    DIPTYCH_RETURN_IF_ERROR(Expect("(", "after geo_distance"));
    if (token_.kind != Kind::kName && token_.kind != Kind::kQuotedName) {
      return Expected("a property after 'geo_distance('");
    }
    node.property = token_.text;
    DIPTYCH_RETURN_IF_ERROR(Advance());
    DIPTYCH_RETURN_IF_ERROR(Expect(",", "before the latitude"));
    DIPTYCH_ASSIGN_OR_RETURN(node.center.latitude, ParseNumber("latitude"));
    DIPTYCH_RETURN_IF_ERROR(Expect(",", "before the longitude"));
    DIPTYCH_ASSIGN_OR_RETURN(node.center.longitude, ParseNumber("longitude"));
    DIPTYCH_RETURN_IF_ERROR(Expect(")", "after the longitude"));
    const bool below = Is("<");
    if (!below && !Is("<=")) return Expected("'<' or '<=' after geo_distance");
    DIPTYCH_RETURN_IF_ERROR(Advance());
    DIPTYCH_ASSIGN_OR_RETURN(const double meters,
                             ParseNumber("distance in metres"));
    // Less than x is the same as at most the number just below x.
    node.distance_meters_max =
        below ? std::nextafter(meters, -HUGE_VAL) : meters;
    return Filter{std::move(node)};
  }

  absl::StatusOr<double> ParseNumber(absl::string_view what) {
    double number = 0;
    if (const auto* integer = std::get_if<int64_t>(&token_.number)) {
      number = static_cast<double>(*integer);
    } else {
      number = std::get<double>(token_.number);
    }
    if (token_.kind != Kind::kNumber) {
      return Expected(absl::StrCat("a number, the ", what));
    }
    DIPTYCH_RETURN_IF_ERROR(Advance());
    return number;
  }

  absl::StatusOr<std::string> ParseString(absl::string_view after) {
    if (token_.kind != Kind::kString) {
      return Expected(absl::StrCat("a quoted text after ", after));
    }
    std::string text = std::move(token_.text);
    DIPTYCH_RETURN_IF_ERROR(Advance());
    return text;
  }

  absl::StatusOr<FilterOperand> ParseValue(absl::string_view after) {
    FilterOperand operand;
    if (token_.kind == Kind::kString) {
      operand = token_.text;
    } else if (token_.kind == Kind::kNumber) {
      if (const auto* integer = std::get_if<int64_t>(&token_.number)) {
        operand = *integer;
      } else {
        operand = std::get<double>(token_.number);
      }
    } else if (Is("TRUE") || Is("FALSE")) {
      operand = Is("TRUE");
    } else if (Is("NULL")) {
      return Expected(
          absl::StrCat("a value after ", after, " (for null write IS NULL)"));
    } else if (token_.kind == Kind::kName && token_.text == "timestamp") {
      return ParseTimestamp();
    } else if (token_.kind == Kind::kName) {
      return Expected(
          absl::StrCat("a value after ", after, " (texts are quoted: 'text')"));
    } else {
      return Expected(absl::StrCat("a value after ", after));
    }
    DIPTYCH_RETURN_IF_ERROR(Advance());
    return operand;
  }

  absl::StatusOr<FilterOperand> ParseTimestamp() {
    DIPTYCH_RETURN_IF_ERROR(Advance());
    DIPTYCH_RETURN_IF_ERROR(Expect("(", "after timestamp"));
    const size_t offset = token_.offset;
    DIPTYCH_ASSIGN_OR_RETURN(const std::string text,
                             ParseString("'timestamp('"));
    DIPTYCH_RETURN_IF_ERROR(Expect(")", "after the timestamp"));
    absl::Time time;
    std::string ignored;
    // ParseTime also takes "infinite-future", which is no moment.
    const bool parsed =
        (absl::ParseTime(absl::RFC3339_full, text, &time, &ignored) ||
         absl::ParseTime("%Y-%m-%d", text, &time, &ignored)) &&
        time != absl::InfiniteFuture() && time != absl::InfinitePast();
    const int64_t microseconds = absl::ToUnixMicros(time);
    if (!parsed || absl::FromUnixMicros(microseconds) != time) {
      return tokens_.ErrorAt(
          offset,
          absl::StrCat("expected a moment as in RFC 3339, such as "
                       "'2026-01-31T12:00:00Z', with at most 6 digits after "
                       "the second, found '",
                       Excerpt(text), "'"));
    }
    return FilterOperand(Timestamp{microseconds});
  }

  TokenReader tokens_;
  Token token_;
  const size_t depth_max_;
  size_t depth_ = 0;
  bool more_ = false;
};

}  // namespace

absl::StatusOr<Filter> ParseFilterExpression(absl::string_view text,
                                             const Limits& limits) {
  if (text.size() > kFilterExpressionBytesMax) {
    return InvalidField("filter", absl::StrCat("a filter's text has at most ",
                                               kFilterExpressionBytesMax,
                                               " bytes, not ", text.size()));
  }
  if (const size_t invalid = FindInvalidUtf8(text); invalid < text.size()) {
    return InvalidField(
        "filter",
        absl::StrCat("must be UTF-8; is not from byte ", invalid + 1, " on"));
  }
  return Parser(text, limits).Parse();
}

}  // namespace diptych::storage
