#include "storage/engine/object_validation.h"

#include <cmath>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "storage/types/utf8.h"

namespace diptych::storage {
namespace {

size_t ScalarBytes(const std::string& value) { return value.size() + 4; }
template <typename T>
size_t ScalarBytes(const T&) {
  return 8;
}

// Checks one value and says how many bytes it takes, about.
class ValueValidation {
 public:
  ValueValidation(const std::string& field, FieldViolations& violations)
      : field_(field), violations_(violations) {}

  size_t operator()(std::monostate) { return 1; }
  size_t operator()(bool) { return 2; }
  size_t operator()(int64_t) { return 9; }
  size_t operator()(double value) {
    CheckScalar(value);
    return 9;
  }
  size_t operator()(const std::string& value) {
    CheckScalar(value);
    return value.size() + 5;
  }
  size_t operator()(Timestamp) { return 9; }
  size_t operator()(const GeoPoint& point) {
    // Written so that NaN is refused.
    if (!(std::abs(point.latitude) <= 90)) {
      violations_.Add(field_ + ".latitude", "is outside -90 to 90");
    }
    if (!(std::abs(point.longitude) <= 180)) {
      violations_.Add(field_ + ".longitude", "is outside -180 to 180");
    }
    return 17;
  }
  size_t operator()(const ImageReference& image) {
    if (!image.content_sha256.empty() && image.content_sha256.size() != 32) {
      violations_.Add(field_ + ".content_sha256",
                      absl::StrCat("has ", image.content_sha256.size(),
                                   " bytes; a SHA-256 has 32"));
    }
    if (!IsValidUtf8(image.uri)) {
      violations_.Add(field_ + ".uri", "is not UTF-8");
    }
    return image.uri.size() + 50;
  }
  template <typename T>
  size_t operator()(const std::vector<T>& values) {
    size_t bytes = 5;
    for (const auto& value : values) {
      CheckScalar(static_cast<const T&>(value));
      bytes += ScalarBytes(static_cast<const T&>(value));
    }
    return bytes;
  }

 private:
  void CheckScalar(const std::string& value) {
    if (!IsValidUtf8(value)) violations_.Add(field_, "is not UTF-8");
  }
  void CheckScalar(double value) {
    if (std::isnan(value)) violations_.Add(field_, "is NaN; give a number");
  }
  template <typename T>
  void CheckScalar(const T&) {}

  const std::string& field_;
  FieldViolations& violations_;
};

// Returns their size in bytes, about.
size_t ValidateProperties(const Properties& properties, const std::string& path,
                          const Limits& limits, FieldViolations& violations) {
  if (properties.size() > limits.properties_per_object_max) {
    violations.Add(path, absl::StrCat("has ", properties.size(),
                                      " properties; give at most ",
                                      limits.properties_per_object_max));
    return 0;
  }
  size_t bytes = 0;
  for (const auto& [name, value] : properties) {
    const std::string field = path + Subscript(name);
    ValidatePropertyName(name, field, violations);
    bytes +=
        name.size() + 4 + std::visit(ValueValidation(field, violations), value);
  }
  if (bytes > limits.object_bytes_max) {
    violations.Add(path, absl::StrCat("takes ", bytes, " bytes; at most ",
                                      limits.object_bytes_max,
                                      " are allowed besides images"));
  }
  return bytes;
}

void ValidateImages(const ObjectWrite& object, const std::string& path,
                    const Limits& limits, FieldViolations& violations) {
  for (const auto& [name, bytes] : object.images) {
    const std::string field =
        absl::StrCat(path, ".properties", Subscript(name));
    const auto property = object.properties.find(name);
    if (property == object.properties.end()) {
      ValidatePropertyName(name, field, violations);
    } else if (!std::holds_alternative<ImageReference>(property->second)) {
      violations.Add(field, "has bytes of an image but is no image property");
    }
    if (bytes.empty()) violations.Add(field, "has no bytes");
    if (bytes.size() > limits.image_bytes_max) {
      violations.Add(field, absl::StrCat("has ", bytes.size(),
                                         " bytes; an image has at most ",
                                         limits.image_bytes_max));
    }
  }
}

}  // namespace

std::string Subscript(absl::string_view name) {
  return absl::StrCat("[\"", absl::Utf8SafeCEscape(name), "\"]");
}

int FindSpace(const CollectionSpec& spec, absl::string_view name) {
  if (name.empty()) name = kDefaultVectorSpace;
  for (size_t i = 0; i < spec.vector_spaces.size(); ++i) {
    if (spec.vector_spaces[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

void ValidatePropertyName(absl::string_view name, absl::string_view field,
                          FieldViolations& violations) {
  if (name.empty() || name.size() > Limits::kPropertyNameBytesMax) {
    violations.Add(
        field, absl::StrCat("has a name of ", name.size(), " bytes; give 1 to ",
                            Limits::kPropertyNameBytesMax));
  } else if (!IsValidUtf8(name)) {
    violations.Add(field, "has a name that is not UTF-8");
  } else if (name[0] == '#' || name[0] == '$') {
    violations.Add(field,
                   "has a name that begins with '#' or '$', which are "
                   "kept for the filter language");
  }
}

void ValidateObjectId(absl::string_view id, absl::string_view field,
                      FieldViolations& violations) {
  if (id.empty() || id.size() > Limits::kObjectIdBytesMax) {
    violations.Add(field, absl::StrCat("has ", id.size(), " bytes; give 1 to ",
                                       Limits::kObjectIdBytesMax));
  } else if (!IsValidUtf8(id)) {
    violations.Add(field, "is not UTF-8");
  }
}

void ValidateVector(absl::Span<const float> vector, Metric metric,
                    absl::string_view field, const Limits& limits,
                    FieldViolations& violations) {
  if (vector.empty() || vector.size() > limits.vector_dimension_max) {
    violations.Add(
        field, absl::StrCat("has ", vector.size(), " dimensions; give 1 to ",
                            limits.vector_dimension_max));
    return;
  }
  bool zero = true;
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      violations.Add(field, absl::StrCat("has NaN or infinity at position ", i,
                                         "; give finite numbers"));
      return;
    }
    zero = zero && vector[i] == 0;
  }
  if (zero && metric == Metric::kCosine) {
    violations.Add(field,
                   "is all zero, which has no direction; the cosine of "
                   "it is not defined");
  }
}

void ValidateMetadata(const Properties& metadata, absl::string_view field,
                      const Limits& limits, FieldViolations& violations) {
  ValidateProperties(metadata, std::string(field), limits, violations);
  for (const auto& [name, value] : metadata) {
    if (std::holds_alternative<ImageReference>(value)) {
      violations.Add(absl::StrCat(field, Subscript(name)),
                     "is an image; metadata of collections hold none");
    }
  }
}

void ValidateObject(const ObjectWrite& object, size_t index,
                    const CollectionSpec& spec, const Limits& limits,
                    const ObjectValidationOptions& options,
                    FieldViolations& violations) {
  const std::string path = absl::StrCat("objects[", index, "]");
  if (!object.id.empty() || !options.id_optional) {
    ValidateObjectId(object.id, path + ".id", violations);
  }
  ValidateProperties(object.properties, path + ".properties", limits,
                     violations);
  ValidateImages(object, path, limits, violations);
  for (const auto& [name, vector] : object.vectors) {
    const std::string field = absl::StrCat(path, ".vectors", Subscript(name));
    const int space = FindSpace(spec, name);
    if (space < 0) {
      violations.Add(field, "names no vector space of the collection");
    } else if (!vector.empty() || !options.empty_vectors) {
      ValidateVector(vector, spec.vector_spaces[space].metric, field, limits,
                     violations);
    }
  }
}

absl::Status ValidateObjects(const std::vector<ObjectWrite>& objects,
                             const CollectionSpec& spec, const Limits& limits,
                             const ObjectValidationOptions& options) {
  FieldViolations violations;
  if (objects.empty() || objects.size() > limits.objects_per_batch_max) {
    violations.Add("objects",
                   absl::StrCat("has ", objects.size(), " members; give 1 to ",
                                limits.objects_per_batch_max));
    return violations.ToStatus();
  }
  absl::flat_hash_set<absl::string_view> ids;
  for (size_t i = 0; i < objects.size(); ++i) {
    ValidateObject(objects[i], i, spec, limits, options, violations);
    if (!objects[i].id.empty() && !ids.insert(objects[i].id).second) {
      violations.Add(absl::StrCat("objects[", i, "].id"),
                     "occurs twice in this request; ids are unique");
    }
  }
  return violations.ToStatus();
}

}  // namespace diptych::storage
