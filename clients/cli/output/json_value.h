// Property values as JSON and back.
//
// Format: null, true, 12, 1.5, "text" and lists of them stand for themselves. A
// timestamp is {"$timestamp": "2024-05-01T12:00:00Z"} (RFC 3339, or a date
// alone, which is midnight UTC), a place {"$geo": [latitude, longitude]}, an
// image {"$image": {"uri", "sha256", "size_bytes"}} (output only). A list of
// integers and doubles is a list of doubles; an empty list is one of texts.
//
// Concurrency: pure functions.
// Limits: none of their own.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "diptych/storage/v1/value.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "nlohmann/json.hpp"

namespace diptych::cli {

// Keeps the order in which keys were given.
using Json = nlohmann::ordered_json;

Json ValueToJson(const storage::v1::Value& value);

// INVALID_ARGUMENT for an object other than the above, a list of mixed or
// nested kinds, an integer beyond int64, a malformed time.
absl::StatusOr<storage::v1::Value> ValueFromJson(const Json& json);

// INVALID_ARGUMENT when `text` is not JSON.
absl::StatusOr<Json> ParseJson(absl::string_view text);

// Indented, with what is not UTF-8 replaced by U+FFFD.
std::string JsonText(const Json& json);

// A value for a person: "12", "red, blue", "2024-05-01T12:00:00Z", "52.5,13.4",
// "image, 12.3 KiB".
std::string ValueText(const storage::v1::Value& value);

// "2024-05-01T12:00:00Z", with as many digits of a second as there are.
std::string TimestampText(const google::protobuf::Timestamp& timestamp);

// "512 B", "12.3 KiB", "4.0 GiB".
std::string BytesText(int64_t bytes);

}  // namespace diptych::cli
