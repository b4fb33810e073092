#include "storage/engine/keyword_validation.h"

#include <cmath>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "storage/engine/object_validation.h"
#include "storage/keyword/text_terms.h"
#include "storage/types/utf8.h"

namespace diptych::storage {
namespace {

void ValidateText(const std::string& text, absl::string_view field,
                  const Limits& limits, FieldViolations& violations) {
  if (text.empty() || text.size() > limits.keyword_text_bytes_max) {
    violations.Add(
        field, absl::StrCat("has ", text.size(), " bytes; give words of 1 to ",
                            limits.keyword_text_bytes_max, " bytes together"));
    return;
  }
  if (!IsValidUtf8(text)) {
    violations.Add(field, "is not UTF-8");
    return;
  }
  TermCounts terms;
  AddQueryTerms(text, terms);
  if (terms.frequencies.size() > limits.keyword_terms_max) {
    violations.Add(field, absl::StrCat("has ", terms.frequencies.size(),
                                       " different words; give at most ",
                                       limits.keyword_terms_max));
  }
}

}  // namespace

void ValidateKeywords(const Keywords& keywords, absl::string_view path,
                      const Limits& limits, FieldViolations& violations) {
  ValidateText(keywords.text, absl::StrCat(path, ".text"), limits, violations);
  const std::string properties = absl::StrCat(path, ".properties");
  if (keywords.properties.size() > limits.properties_per_object_max) {
    violations.Add(properties, absl::StrCat("has ", keywords.properties.size(),
                                            " members; give at most ",
                                            limits.properties_per_object_max,
                                            ", or none to search all"));
    return;
  }
  absl::flat_hash_set<absl::string_view> seen;
  for (size_t i = 0; i < keywords.properties.size(); ++i) {
    const std::string field = absl::StrCat(properties, "[", i, "]");
    ValidatePropertyName(keywords.properties[i], field, violations);
    if (!seen.insert(keywords.properties[i]).second) {
      violations.Add(field, absl::StrCat("names \"", keywords.properties[i],
                                         "\" again; name each once"));
    }
  }
  if (keywords.boosts.size() > limits.properties_per_object_max) {
    violations.Add(
        absl::StrCat(path, ".boosts"),
        absl::StrCat("has ", keywords.boosts.size(), " members; give at most ",
                     limits.properties_per_object_max));
    return;
  }
  for (const auto& [property, boost] : keywords.boosts) {
    const std::string field =
        absl::StrCat(path, ".boosts", Subscript(property));
    ValidatePropertyName(property, field, violations);
    if (!(boost > 0) || std::isinf(boost)) {
      violations.Add(field, absl::StrCat("is ", boost, "; give more than 0"));
    }
    if (!seen.empty() && !seen.contains(property)) {
      violations.Add(field,
                     "is not among the properties that are searched; name it "
                     "there too, or leave its boost out");
    }
  }
}

}  // namespace diptych::storage
