// A filter as a tree. The text form ("price < 500 AND category == 'clothing'")
// is parsed into the same tree.
//
// Meaning. A comparison is true, false, and never "unknown": an object that
// lacks the property, or holds null or a value of a type that the operator does
// not compare with the operand, does not match ==, <, <=, >, >=, IN, CONTAINS;
// it does match !=, NOT IN and NOT CONTAINS, which are their exact negations
// (as Chroma's $ne and $nin). int64 and double compare as numbers, exactly. On
// a list property, == IN and CONTAINS ask whether any element equals.
//
// Concurrency: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "storage/types/property_value.h"

namespace diptych::storage {

// What a comparison can be made with.
using FilterOperand =
    std::variant<bool, int64_t, double, std::string, Timestamp>;

enum class CompareOperator : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual
};

struct Filter;

struct CompareFilter {
  std::string property;
  CompareOperator op = CompareOperator::kEqual;
  FilterOperand operand;
};

// property IN [..], or its negation.
struct InFilter {
  std::string property;
  std::vector<FilterOperand> operands;
  bool negated = false;
};

// On a text property: case-sensitive substring. On a list: membership.
struct ContainsFilter {
  std::string property;
  FilterOperand operand;
  bool negated = false;
};

// RE2 syntax, anywhere in the text.
struct MatchesFilter {
  std::string property;
  std::string pattern;
  bool negated = false;
};

// The key is absent or null.
struct IsNullFilter {
  std::string property;
  bool negated = false;
};

struct IdInFilter {
  std::vector<std::string> ids;
  bool negated = false;
};

// Great-circle distance on a sphere of radius 6,371,008.8 m.
struct GeoDistanceFilter {
  std::string property;
  GeoPoint center;
  double distance_meters_max = 0;
};

struct AndFilter {
  std::vector<Filter> children;  // empty: matches all
};

struct OrFilter {
  std::vector<Filter> children;  // empty: matches none
};

struct NotFilter {
  std::vector<Filter>
      child;  // exactly one; a vector because Filter is incomplete here
};

struct Filter {
  std::variant<AndFilter, OrFilter, NotFilter, CompareFilter, InFilter,
               ContainsFilter, MatchesFilter, IsNullFilter, IdInFilter,
               GeoDistanceFilter>
      node;
};

}  // namespace diptych::storage
