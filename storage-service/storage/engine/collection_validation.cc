#include "storage/engine/collection_validation.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

bool IsIpv4Address(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  if (parts.size() != 4) return false;
  for (absl::string_view part : parts) {
    int number;
    if (part.empty() || part.size() > 3 || !absl::ascii_isdigit(part[0]) ||
        !absl::SimpleAtoi(part, &number) || number > 255) {
      return false;
    }
  }
  return true;
}

void ValidateRange(uint32_t value, uint32_t smallest, uint32_t largest,
                   absl::string_view field, FieldViolations& violations) {
  if (value >= smallest && value <= largest) return;
  violations.Add(
      field, absl::StrCat("is ", value, "; give ", smallest, " to ", largest));
}

void ValidateFields(const std::vector<WeightedField>& fields,
                    absl::string_view path, std::set<std::string>& seen,
                    FieldViolations& violations) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string field = absl::StrCat(path, "[", i, "]");
    ValidatePropertyName(fields[i].property, absl::StrCat(field, ".property"),
                         violations);
    if (!seen.insert(fields[i].property).second) {
      violations.Add(absl::StrCat(field, ".property"),
                     "feeds this vector twice; name each property once");
    }
    if (!(fields[i].weight > 0) || !std::isfinite(fields[i].weight)) {
      violations.Add(absl::StrCat(field, ".weight"),
                     absl::StrCat("is ", fields[i].weight,
                                  "; give a number greater than 0"));
    }
  }
}

void ValidateSpace(const VectorSpace& space, const std::string& path,
                   const Limits& limits, FieldViolations& violations) {
  ValidatePropertyName(space.name, path + ".name", violations);
  const auto metric = static_cast<int>(space.metric);
  if (metric < 1 || metric > 3) {
    violations.Add(path + ".metric",
                   "is unknown; give cosine, squared l2 or inner product");
  }
  const auto precision = static_cast<int>(space.precision);
  if (precision < 1 || precision > 3) {
    violations.Add(path + ".precision",
                   "is unknown; give float32, bfloat16 or int8");
  }
  if (space.dimension > limits.vector_dimension_max) {
    violations.Add(path + ".dimension",
                   absl::StrCat("is ", space.dimension, "; give 1 to ",
                                limits.vector_dimension_max,
                                ", or 0 for that of the first vector"));
  }
  ValidateRange(space.hnsw.max_neighbors, 4, 64, path + ".hnsw.max_neighbors",
                violations);
  ValidateRange(space.hnsw.ef_construction, 8, 2000,
                path + ".hnsw.ef_construction", violations);
  ValidateEfSearch(space.hnsw.ef_search, path + ".hnsw.ef_search", violations);
  if (!space.model_fingerprint.empty()) {
    violations.Add(path + ".model_fingerprint",
                   "is set by the server; leave it empty");
  }
  const VectorizerSource& source = space.vectorizer;
  if (!space.has_vectorizer) return;
  if (source.text_fields.empty() && source.image_fields.empty()) {
    violations.Add(path + ".vectorizer",
                   "has no fields; name text or image properties, or leave the "
                   "vectorizer out and bring your own vectors");
  }
  std::set<std::string> seen;
  ValidateFields(source.text_fields, path + ".vectorizer.text_fields", seen,
                 violations);
  ValidateFields(source.image_fields, path + ".vectorizer.image_fields", seen,
                 violations);
}

}  // namespace

void ValidateCollectionName(absl::string_view name, absl::string_view field,
                            FieldViolations& violations) {
  constexpr absl::string_view kRule =
      "; give 3 to 512 characters of a-z, A-Z, 0-9, '.', '_' and '-', the "
      "first and last a letter or digit, without '..', and no IP address";
  bool valid = name.size() >= Limits::kCollectionNameBytesMin &&
               name.size() <= Limits::kCollectionNameBytesMax;
  for (char c : name) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '_' && c != '-') {
      valid = false;
    }
  }
  if (valid) {
    valid = absl::ascii_isalnum(name.front()) &&
            absl::ascii_isalnum(name.back()) &&
            !absl::StrContains(name, "..") && !IsIpv4Address(name);
  }
  if (valid) return;
  violations.Add(
      field, absl::StrCat("is \"", absl::Utf8SafeCEscape(name.substr(0, 64)),
                          "\", which is not a name of a collection", kRule));
}

void ValidateEfSearch(uint32_t ef_search, absl::string_view field,
                      FieldViolations& violations) {
  ValidateRange(ef_search, 8, 10'000, field, violations);
}

absl::Status ValidateCollectionSpec(const CollectionSpec& spec,
                                    const Limits& limits) {
  FieldViolations violations;
  ValidateCollectionName(spec.name, "spec.name", violations);
  if (spec.vector_spaces.empty() ||
      spec.vector_spaces.size() > Limits::kVectorSpacesPerCollectionMax) {
    violations.Add(
        "spec.vector_spaces",
        absl::StrCat("has ", spec.vector_spaces.size(), " members; give 1 to ",
                     Limits::kVectorSpacesPerCollectionMax));
  } else {
    std::set<std::string> names;
    for (size_t i = 0; i < spec.vector_spaces.size(); ++i) {
      const std::string path = absl::StrCat("spec.vector_spaces[", i, "]");
      ValidateSpace(spec.vector_spaces[i], path, limits, violations);
      if (!names.insert(spec.vector_spaces[i].name).second) {
        violations.Add(path + ".name",
                       "is taken by another space; names are unique");
      }
    }
  }
  ValidateMetadata(spec.metadata, "spec.metadata", limits, violations);
  return violations.ToStatus();
}

}  // namespace diptych::storage
