#include "inference/text/json_file.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace diptych::inference {
namespace {

// Deepest nesting of brackets outside strings.
int DepthOf(absl::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest) deepest = depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<Json> ParseJsonObject(absl::string_view file,
                                     absl::string_view text) {
  if (DepthOf(text) > kJsonDepthMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, " is nested deeper than the allowed ", kJsonDepthMax, " levels"));
  }
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is not a JSON object"));
  }
  return json;
}

const Json& JsonAt(const Json& object, const char* key) {
  static const Json* const null = new Json();
  if (!object.is_object()) return *null;
  const auto it = object.find(key);
  return it == object.end() ? *null : *it;
}

bool JsonIsString(const Json& json, absl::string_view text) {
  return json.is_string() && json.get_ref<const std::string&>() == text;
}

bool JsonIsType(const Json& json, absl::string_view type) {
  return JsonIsString(JsonAt(json, "type"), type);
}

bool JsonIsOff(const Json& json) { return json.is_null() || json == false; }

int64_t JsonWhole(const Json& json, int64_t most) {
  if (!json.is_number_unsigned()) return -1;
  const auto value = json.get<uint64_t>();
  return value <= static_cast<uint64_t>(most) ? static_cast<int64_t>(value)
                                              : -1;
}

std::string JsonExcerpt(const Json& json) {
  // What is large is not worth spelling out whole for the sake of its first
  // characters.
  if (json.is_structured() && json.size() > 100) {
    return absl::StrCat("(", json.size(), " elements)");
  }
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 200) text = text.substr(0, 200) + "...";
  return text;
}

absl::Status UnknownJson(absl::string_view file, absl::string_view part,
                         const Json& given, absl::string_view known) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": ", part, " is not known: ", JsonExcerpt(given),
                   "; known: ", known));
}

}  // namespace diptych::inference
