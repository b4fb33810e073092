// Conversion between the API's collections and the engine's.
//
// Concurrency: pure functions.
#pragma once

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/collection.pb.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// The default space stands in when none is given. Faults of form are added to
// `violations` below `path`; what a collection may be is the engine's to check.
CollectionSpec CollectionSpecFromProto(const v1::Collection& collection,
                                       absl::string_view path,
                                       FieldViolations& violations);

UriImages UriImagesFromProto(v1::UriImages uri_images, absl::string_view path,
                             FieldViolations& violations);

v1::Collection CollectionToProto(const Collection& collection);

}  // namespace diptych::storage
