// JSON of the HTTP port: requests read within limits, vectors written.
//
// Concurrency: free functions without shared state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/model/encoder.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {

// A body may hold so many values and be so deep, which bounds the memory that
// a few bytes of JSON take.
inline constexpr int kJsonValuesMax = 100'000;
inline constexpr int kJsonDepthMax = 16;

// The object in `body`. INVALID_ARGUMENT when it is no JSON in UTF-8, no
// object, or exceeds the limits.
absl::StatusOr<nlohmann::json> ParseObject(absl::string_view body);

// Any JSON as text; bytes that are no UTF-8 become U+FFFD.
std::string ToText(const nlohmann::json& value);

// Appends "[0.5,...]": each float in the fewest digits from which it can be
// read back exactly.
void AppendVector(const Embedding& embedding, std::string& json);

// The bytes of a picture written as Base64 (RFC 4648 section 4; white space is
// skipped and padding may be missing), or as a data URL (RFC 2397) with
// ";base64". INVALID_ARGUMENT about `field` otherwise.
absl::StatusOr<std::string> DecodePicture(absl::string_view text,
                                          absl::string_view field);

// Whether `text` begins as a data URL of a picture does: "data:image/".
bool IsPictureUrl(absl::string_view text);

}  // namespace diptych::inference
