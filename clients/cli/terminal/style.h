// Emphasis on a terminal, by ANSI escape sequences; none when off.
//
// Operation: each function wraps its argument, or returns it as it is.
// Concurrency: a value type.
// Limits: none.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace diptych::cli {

class Style {
 public:
  explicit Style(bool color) : color_(color) {}

  std::string Bold(absl::string_view text) const { return Wrap("1", text); }
  std::string Red(absl::string_view text) const { return Wrap("31;1", text); }
  std::string Dim(absl::string_view text) const { return Wrap("2", text); }

 private:
  std::string Wrap(absl::string_view code, absl::string_view text) const {
    if (!color_) return std::string(text);
    return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
  }

  bool color_;
};

}  // namespace diptych::cli
