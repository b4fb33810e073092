#include <charconv>
#include <cmath>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "storage/filter/filter_expression.h"
#include "storage/filter/filter_tokens.h"

namespace diptych::storage {
namespace {

std::string FormatText(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

std::string FormatProperty(absl::string_view name) {
  if (!NeedsQuotes(name)) return std::string(name);
  return absl::StrCat("`", absl::StrReplaceAll(name, {{"`", "``"}}), "`");
}

// The shortest digits that are read back as the same number.
std::string FormatNumber(double number) {
  if (std::isinf(number)) return number < 0 ? "-INFINITY" : "INFINITY";
  char buffer[32];
  const std::to_chars_result end =
      std::to_chars(buffer, buffer + sizeof(buffer), number);
  std::string digits(buffer, end.ptr);
  // Without these it would be read as an int64.
  if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
  return digits;
}

std::string FormatOperand(const FilterOperand& operand) {
  struct Format {
    std::string operator()(bool value) const {
      return value ? "TRUE" : "FALSE";
    }
    std::string operator()(int64_t value) const { return absl::StrCat(value); }
    std::string operator()(double value) const { return FormatNumber(value); }
    std::string operator()(const std::string& value) const {
      return FormatText(value);
    }
    std::string operator()(const Timestamp& value) const {
      return absl::StrCat(
          "timestamp('",
          absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ",
                           absl::FromUnixMicros(value.unix_microseconds),
                           absl::UTCTimeZone()),
          "')");
    }
  };
  return std::visit(Format(), operand);
}

absl::string_view SymbolOf(CompareOperator op) {
  switch (op) {
    case CompareOperator::kEqual:
      return " == ";
    case CompareOperator::kNotEqual:
      return " != ";
    case CompareOperator::kLess:
      return " < ";
    case CompareOperator::kLessOrEqual:
      return " <= ";
    case CompareOperator::kGreater:
      return " > ";
    case CompareOperator::kGreaterOrEqual:
      return " >= ";
  }
  return " == ";
}

absl::string_view NotIf(bool negated) { return negated ? " NOT" : ""; }

template <typename Members, typename Format>
std::string FormatList(const Members& members, Format format) {
  std::string list = "[";
  for (const auto& member : members) {
    if (list.size() > 1) list += ", ";
    list += format(member);
  }
  return list + "]";
}

// How tightly the text of a node holds together; children that hold less than
// their parent are put in parentheses.
enum class Binding { kOr, kAnd, kNot };

struct FormatNode {
  std::string operator()(const AndFilter& node) const {
    return Join(node.children, " AND ", "TRUE", Binding::kAnd);
  }
  std::string operator()(const OrFilter& node) const {
    return Join(node.children, " OR ", "FALSE", Binding::kOr);
  }
  std::string operator()(const NotFilter& node) const {
    return absl::StrCat("NOT ", Child(node.child.front(), Binding::kNot));
  }
  std::string operator()(const CompareFilter& node) const {
    return absl::StrCat(FormatProperty(node.property), SymbolOf(node.op),
                        FormatOperand(node.operand));
  }
  std::string operator()(const InFilter& node) const {
    return absl::StrCat(FormatProperty(node.property), NotIf(node.negated),
                        " IN ", FormatList(node.operands, FormatOperand));
  }
  std::string operator()(const ContainsFilter& node) const {
    return absl::StrCat(FormatProperty(node.property), NotIf(node.negated),
                        " CONTAINS ", FormatOperand(node.operand));
  }
  std::string operator()(const MatchesFilter& node) const {
    return absl::StrCat(FormatProperty(node.property), NotIf(node.negated),
                        " MATCHES ", FormatText(node.pattern));
  }
  std::string operator()(const IsNullFilter& node) const {
    return absl::StrCat(FormatProperty(node.property), " IS",
                        NotIf(node.negated), " NULL");
  }
  std::string operator()(const IdInFilter& node) const {
    return absl::StrCat("id", NotIf(node.negated), " IN ",
                        FormatList(node.ids, FormatText));
  }
  std::string operator()(const GeoDistanceFilter& node) const {
    return absl::StrCat("geo_distance(", FormatProperty(node.property), ", ",
                        FormatNumber(node.center.latitude), ", ",
                        FormatNumber(node.center.longitude),
                        ") <= ", FormatNumber(node.distance_meters_max));
  }

 private:
  static std::string Join(const std::vector<Filter>& children,
                          absl::string_view separator, absl::string_view none,
                          Binding binding) {
    if (children.empty()) return std::string(none);
    if (children.size() == 1) return FormatFilter(children.front());
    std::string joined;
    for (const Filter& child : children) {
      if (!joined.empty()) absl::StrAppend(&joined, separator);
      absl::StrAppend(&joined, Child(child, binding));
    }
    return joined;
  }

  static std::string Child(const Filter& child, Binding parent) {
    const Filter* shown = &child;
    // AND and OR of one child are written as that child.
    while (true) {
      const auto* all = std::get_if<AndFilter>(&shown->node);
      const auto* any = std::get_if<OrFilter>(&shown->node);
      if (all != nullptr && all->children.size() == 1) {
        shown = &all->children.front();
      } else if (any != nullptr && any->children.size() == 1) {
        shown = &any->children.front();
      } else {
        break;
      }
    }
    const auto* all = std::get_if<AndFilter>(&shown->node);
    const auto* any = std::get_if<OrFilter>(&shown->node);
    // The same operator keeps its parentheses, so that the tree stays as it is.
    const bool grouped =
        (any != nullptr && !any->children.empty()) ||
        (all != nullptr && !all->children.empty() && parent != Binding::kOr);
    const std::string text = FormatFilter(*shown);
    return grouped ? absl::StrCat("(", text, ")") : text;
  }
};

}  // namespace

std::string FormatFilter(const Filter& filter) {
  return std::visit(FormatNode(), filter.node);
}

}  // namespace diptych::storage
