#include "storage/filter/pattern.h"

#include "absl/strings/str_cat.h"
#include "storage/filter/excerpt.h"

namespace diptych::storage {

absl::StatusOr<std::unique_ptr<re2::RE2>> CompilePattern(
    absl::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a regular expression has at most ", kPatternBytesMax,
                     " bytes, not ", pattern.size()));
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryBytesMax);
  auto compiled = std::make_unique<re2::RE2>(
      re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("is not a regular expression that RE2 takes (",
                     Excerpt(compiled->error()), "): ", Excerpt(pattern)));
  }
  return compiled;
}

}  // namespace diptych::storage
