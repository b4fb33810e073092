// Conversion between the API's objects and the engine's.
//
// Concurrency: pure functions.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/object.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/engine/requests.h"
#include "storage/types/object.h"

namespace diptych::storage {

// Faults are added to `violations` under `path`: "objects[3]".
ObjectWrite ObjectFromProto(const v1::Object& object, absl::string_view path,
                            FieldViolations& violations);

// Faults are added to `violations` as "objects[3].vectors[\"default\"]".
std::vector<ObjectWrite> ObjectsFromProto(
    const google::protobuf::RepeatedPtrField<v1::Object>& objects,
    FieldViolations& violations);

// `thumbnail_pixels` is checked; thumbnails are AnswerThumbnails' to make.
Projection ProjectionFromProto(const v1::Projection& projection,
                               absl::string_view path,
                               FieldViolations& violations);

v1::Object ObjectToProto(const ObjectView& view);

}  // namespace diptych::storage
