// JSON files of a tokeniser, read with suspicion: they are downloaded.
//
// Operation: a few questions that do not throw, whatever the JSON holds.
// Concurrency: free functions.
// Limits: kJsonDepthMax levels, so that no later walk through a document uses
// more stack than there is.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {

using Json = nlohmann::json;

inline constexpr int kJsonDepthMax = 32;

// The object in `text`, the content of `file`. INVALID_ARGUMENT when it is no
// JSON object, or nested deeper than kJsonDepthMax.
absl::StatusOr<Json> ParseJsonObject(absl::string_view file,
                                     absl::string_view text);

// The value at `key`, or null: a missing key and an explicit null mean the
// same.
const Json& JsonAt(const Json& object, const char* key);

bool JsonIsString(const Json& json, absl::string_view text);

// Whether "type" is `type`.
bool JsonIsType(const Json& json, absl::string_view type);

// null or false.
bool JsonIsOff(const Json& json);

// A whole number from 0 to `most`, else -1.
int64_t JsonWhole(const Json& json, int64_t most);

// The first characters, for a message.
std::string JsonExcerpt(const Json& json);

// INVALID_ARGUMENT: `part` of `file` is not one of those that are known, which
// `known` lists.
absl::Status UnknownJson(absl::string_view file, absl::string_view part,
                         const Json& given, absl::string_view known);

}  // namespace diptych::inference
