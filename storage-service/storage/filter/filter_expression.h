// Filters as text: price < 500 AND category == 'clothing'.
//
// Operation: ParseFilterExpression turns text into the tree, FormatFilter
// writes a tree as text that parses to a tree of the same meaning (the same
// tree, but for AND and OR of fewer than two children).
//
//   expression  = conjunction { OR conjunction } ;
//   conjunction = negation { AND negation } ;
//   negation    = NOT negation | "(" expression ")" | TRUE | FALSE | predicate
//   ; predicate   = property ( "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" )
//   value
//               | property [ NOT ] IN "[" [ value { "," value } ] "]"
//               | property [ NOT ] CONTAINS value
//               | property [ NOT ] MATCHES string
//               | property IS [ NOT ] NULL
//               | "id" ( "==" | "=" | "!=" ) string
//               | "id" [ NOT ] IN "[" [ string { "," string } ] "]"
//               | "geo_distance" "(" property "," number "," number ")"
//                 ( "<=" | "<" ) number ;
//   property    = name | "`" characters, "``" for a back-quote "`" ;
//   name        = letter { letter | digit | "_" | "." } ;
//   value       = string | number | TRUE | FALSE
//               | "timestamp" "(" string ")" ;
//   string      = "'" characters, "''" for a quote "'" ;   (or with " for ')
//   number      = [ "+" | "-" ] ( digits [ "." digits ] [ exponent ]
//               | INFINITY ) ;
//
// Words in capitals may be written in any case and must be back-quoted as
// property names, like "id". A letter is a-z, A-Z, "_" or any character beyond
// ASCII. A number with neither "." nor exponent is an int64. The backslash is
// an ordinary character. The string of timestamp is RFC 3339 ("2026-01-01" and
// no more means midnight UTC). geo_distance takes latitude, longitude in
// degrees; the distance is in metres.
//
// Concurrency: pure functions.
// Limits: depth of parentheses and NOTs together limits.filter_depth_max; text
// of kFilterExpressionBytesMax bytes.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/types/filter.h"
#include "storage/types/limits.h"

namespace diptych::storage {

inline constexpr size_t kFilterExpressionBytesMax = 1 << 20;

// INVALID_ARGUMENT on the field "filter" with the column (in characters, from
// 1): "column 9: expected a value after '<', found 'AND'". The tree still has
// to pass ValidateFilter.
absl::StatusOr<Filter> ParseFilterExpression(absl::string_view text,
                                             const Limits& limits);

std::string FormatFilter(const Filter& filter);

}  // namespace diptych::storage
