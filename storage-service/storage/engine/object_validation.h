// Says what is wrong with objects before anything is written.
//
// Concurrency: pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "storage/engine/requests.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// Names of properties and spaces: 1 to 256 bytes of UTF-8, not beginning with
// '#' or '$'.
void ValidatePropertyName(absl::string_view name, absl::string_view field,
                          FieldViolations& violations);

// 1 to 256 bytes of UTF-8.
void ValidateObjectId(absl::string_view id, absl::string_view field,
                      FieldViolations& violations);

// Finite numbers, and not all zero under cosine.
void ValidateVector(absl::Span<const float> vector, Metric metric,
                    absl::string_view field, const Limits& limits,
                    FieldViolations& violations);

// Properties of a collection: as those of objects, but no images.
void ValidateMetadata(const Properties& metadata, absl::string_view field,
                      const Limits& limits, FieldViolations& violations);

struct ObjectValidationOptions {
  // Ids may be empty (the engine makes them).
  bool id_optional = true;
  // Vectors may be empty (the object leaves the space).
  bool empty_vectors = false;
};

// One object by itself; names each wrong field as `objects[index]...`.
void ValidateObject(const ObjectWrite& object, size_t index,
                    const CollectionSpec& spec, const Limits& limits,
                    const ObjectValidationOptions& options,
                    FieldViolations& violations);

// OK, or INVALID_ARGUMENT that names each wrong field as `objects[i]...`.
// Checks all that can be known without the stored objects.
absl::Status ValidateObjects(const std::vector<ObjectWrite>& objects,
                             const CollectionSpec& spec, const Limits& limits,
                             const ObjectValidationOptions& options);

// `["name"]`, escaped: how messages name properties and spaces.
std::string Subscript(absl::string_view name);

// Position of the space in the spec, or -1.
int FindSpace(const CollectionSpec& spec, absl::string_view name);

}  // namespace diptych::storage
