// How wide text is on a terminal, and how to make it safe and short.
//
// Operation: widths follow Unicode's East Asian Width
// (https://www.unicode.org/reports/tr11/): wide and full-width characters take
// two columns, combining and format characters none, all others one.
// Concurrency: pure functions.
// Limits: a sequence that a terminal draws as one picture (flags, joined emoji)
// counts as the sum of its parts.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace diptych::cli {

// Columns that `utf8` takes. Bytes that are not UTF-8 take one each.
int DisplayWidth(absl::string_view utf8);

// `utf8` on one line and without anything that a terminal would obey: line
// breaks and tabs become spaces, other control characters and bytes that are
// not UTF-8 become U+FFFD. Stored text is someone else's and may hold escape
// sequences.
std::string Printable(absl::string_view utf8);

// `utf8`, or as much of it as fits into `columns` with "…" at its end.
std::string FitToWidth(absl::string_view utf8, int columns);

}  // namespace diptych::cli
