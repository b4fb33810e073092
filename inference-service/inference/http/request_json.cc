#include "inference/http/request_json.h"

#include <array>
#include <charconv>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::inference {

using nlohmann::json;

absl::StatusOr<json> ParseObject(absl::string_view body) {
  int values = 0;
  bool too_many = false;
  const json::parser_callback_t within_limits =
      [&](int depth, json::parse_event_t, const json&) {
        too_many |= depth > kJsonDepthMax || ++values > kJsonValuesMax;
        return !too_many;
      };
  json object = json::parse(body.begin(), body.end(), within_limits,
                            /*allow_exceptions=*/false);
  if (too_many) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the JSON is deeper than ", kJsonDepthMax, " or has more than ",
        kJsonValuesMax, " values; send fewer inputs at a time"));
  }
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        object.is_discarded()
            ? "the body is not JSON in UTF-8; check quotes, commas and brackets"
            : "the body must be a JSON object, in braces");
  }
  return object;
}

std::string ToText(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void AppendVector(const Embedding& embedding, std::string& text) {
  text += '[';
  std::array<char, 32> digits;
  for (size_t i = 0; i < embedding.size(); ++i) {
    if (i > 0) text += ',';
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   embedding[i]);
    text.append(digits.data(), end.ptr);
  }
  text += ']';
}

bool IsPictureUrl(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text.substr(0, 11), "data:image/");
}

absl::StatusOr<std::string> DecodePicture(absl::string_view text,
                                          absl::string_view field) {
  if (absl::StartsWithIgnoreCase(text.substr(0, 5), "data:")) {
    const size_t comma = text.find(',');
    if (comma == absl::string_view::npos ||
        !absl::EndsWithIgnoreCase(text.substr(0, comma), ";base64")) {
      return InvalidField(field,
                          "is a data URL but not one in Base64; give "
                          "data:image/png;base64,... or the Base64 alone");
    }
    text.remove_prefix(comma + 1);
  }
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) {
    return InvalidField(field,
                        "is not Base64; give the bytes of a picture's file in "
                        "Base64 (RFC 4648, section 4)");
  }
  return bytes;
}

}  // namespace diptych::inference
