// Conversion between the API's property values and the engine's.
//
// From the API: every fault is added to `violations` under `path`
// ("objects[3].properties[\"price\"]") and the converted value is then without
// meaning. To the API: always succeeds.
//
// Concurrency: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/value.pb.h"
#include "google/protobuf/map.h"
#include "google/protobuf/timestamp.pb.h"
#include "storage/engine/requests.h"
#include "storage/types/filter.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// Of an image only the URI is converted; its bytes travel beside the properties
// (ImagesFromProto).
PropertyValue ValueFromProto(const v1::Value& value, absl::string_view path,
                             FieldViolations& violations);

using ProtoProperties = google::protobuf::Map<std::string, v1::Value>;

Properties PropertiesFromProto(const ProtoProperties& properties,
                               absl::string_view path,
                               FieldViolations& violations);

// The bytes of those properties that are images with bytes, by name.
ImageBytes ImagesFromProto(const ProtoProperties& properties);

// Null, lists, places and pictures are refused: a filter compares with scalars.
FilterOperand OperandFromProto(const v1::Value& value, absl::string_view path,
                               FieldViolations& violations);

std::vector<float> VectorFromProto(const v1::Vector& vector,
                                   absl::string_view path,
                                   FieldViolations& violations);

v1::Value ValueToProto(const PropertyValue& value);
v1::Vector VectorToProto(const std::vector<float>& vector);

// Range: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z; nanoseconds are
// cut to microseconds.
Timestamp TimestampFromProto(const google::protobuf::Timestamp& timestamp,
                             absl::string_view path,
                             FieldViolations& violations);
google::protobuf::Timestamp TimestampToProto(Timestamp timestamp);

// 0 (the engine's default) or more; a negative size is a violation of
// "page_size".
uint32_t PageSizeFromProto(int32_t page_size, FieldViolations& violations);

}  // namespace diptych::storage
