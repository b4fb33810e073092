#include "cli/output/json_value.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/status_macros.h"

namespace diptych::cli {
namespace {

using storage::v1::Value;

constexpr char kTimestampKey[] = "$timestamp";
constexpr char kGeoKey[] = "$geo";

Json TimestampJson(const google::protobuf::Timestamp& timestamp) {
  return Json::object({{kTimestampKey, TimestampText(timestamp)}});
}

template <typename List>
Json ListJson(const List& list) {
  Json array = Json::array();
  for (const auto& element : list.values()) array.push_back(element);
  return array;
}

Json ImageJson(const storage::v1::Image& image) {
  Json fields = Json::object();
  if (!image.uri().empty()) fields["uri"] = image.uri();
  if (!image.content_sha256().empty()) {
    fields["sha256"] = absl::BytesToHexString(image.content_sha256());
  }
  fields["size_bytes"] = image.size_bytes();
  if (!image.data().empty()) {
    fields["data_base64"] = absl::Base64Escape(image.data());
  }
  return Json::object({{"$image", fields}});
}

std::string NumberText(double value) { return absl::StrFormat("%.6g", value); }

absl::StatusOr<google::protobuf::Timestamp> ParseTimestamp(const Json& json) {
  if (!json.is_string()) {
    return absl::InvalidArgumentError(
        "$timestamp is not a string; give \"2024-05-01T12:00:00Z\"");
  }
  const std::string text = json.get<std::string>();
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error) &&
      !absl::ParseTime("%Y-%m-%d", text, &time, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "$timestamp is no time in RFC 3339 (\"2024-05-01T12:00:00Z\" or "
        "\"2024-05-01\"): ",
        text));
  }
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

absl::StatusOr<storage::v1::GeoPoint> ParseGeoPoint(const Json& json) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_number() ||
      !json[1].is_number()) {
    return absl::InvalidArgumentError(
        "$geo is not a pair of numbers; give [latitude, longitude]");
  }
  storage::v1::GeoPoint point;
  point.set_latitude(json[0].get<double>());
  point.set_longitude(json[1].get<double>());
  if (std::abs(point.latitude()) > 90 || std::abs(point.longitude()) > 180) {
    return absl::InvalidArgumentError(absl::StrCat(
        "$geo is not on earth; give [latitude -90 to 90, longitude -180 to "
        "180]: ",
        json.dump()));
  }
  return point;
}

absl::StatusOr<Value> ScalarFromJson(const Json& json) {
  Value value;
  switch (json.type()) {
    case Json::value_t::null:
      value.set_null_value(google::protobuf::NULL_VALUE);
      return value;
    case Json::value_t::boolean:
      value.set_bool_value(json.get<bool>());
      return value;
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() >
          static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return absl::InvalidArgumentError(
            absl::StrCat("integer does not fit into 64 signed bits; give it "
                         "as text or with a decimal point: ",
                         json.dump()));
      }
      value.set_integer_value(json.get<int64_t>());
      return value;
    case Json::value_t::number_integer:
      value.set_integer_value(json.get<int64_t>());
      return value;
    case Json::value_t::number_float:
      value.set_double_value(json.get<double>());
      return value;
    case Json::value_t::string:
      value.set_text_value(json.get<std::string>());
      return value;
    case Json::value_t::object:
      if (json.size() == 1 && json.contains(kTimestampKey)) {
        DIPTYCH_ASSIGN_OR_RETURN(*value.mutable_timestamp_value(),
                                 ParseTimestamp(json[kTimestampKey]));
        return value;
      }
      if (json.size() == 1 && json.contains(kGeoKey)) {
        DIPTYCH_ASSIGN_OR_RETURN(*value.mutable_geo_point_value(),
                                 ParseGeoPoint(json[kGeoKey]));
        return value;
      }
      return absl::InvalidArgumentError(
          "is an object; give a scalar, a list of scalars, {\"$timestamp\": "
          "\"...\"} or {\"$geo\": [latitude, longitude]}");
    default:
      return absl::InvalidArgumentError("is a list within a list");
  }
}

bool IsNumber(const Value& value) {
  return value.kind_case() == Value::kIntegerValue ||
         value.kind_case() == Value::kDoubleValue;
}

absl::StatusOr<Value> ListFromJson(const Json& json) {
  std::vector<Value> elements;
  for (const Json& element : json) {
    DIPTYCH_ASSIGN_OR_RETURN(Value value, ScalarFromJson(element));
    elements.push_back(std::move(value));
  }
  Value list;
  list.mutable_text_list();
  if (elements.empty()) return list;
  Value::KindCase kind = elements[0].kind_case();
  for (const Value& element : elements) {
    if (element.kind_case() == kind) continue;
    if (!IsNumber(element) || !IsNumber(elements[0])) {
      return absl::InvalidArgumentError(
          "is a list of different kinds; give elements of one kind");
    }
    kind = Value::kDoubleValue;
  }
  for (Value& element : elements) {
    switch (kind) {
      case Value::kBoolValue:
        list.mutable_bool_list()->add_values(element.bool_value());
        break;
      case Value::kIntegerValue:
        list.mutable_integer_list()->add_values(element.integer_value());
        break;
      case Value::kDoubleValue:
        list.mutable_double_list()->add_values(
            element.has_integer_value()
                ? static_cast<double>(element.integer_value())
                : element.double_value());
        break;
      case Value::kTextValue:
        list.mutable_text_list()->add_values(
            std::move(*element.mutable_text_value()));
        break;
      case Value::kTimestampValue:
        *list.mutable_timestamp_list()->add_values() =
            element.timestamp_value();
        break;
      default:
        return absl::InvalidArgumentError(
            "is a list of nulls or places; give booleans, numbers, texts or "
            "timestamps");
    }
  }
  return list;
}

}  // namespace

Json ValueToJson(const Value& value) {
  switch (value.kind_case()) {
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kIntegerValue:
      return value.integer_value();
    case Value::kDoubleValue:
      return value.double_value();
    case Value::kTextValue:
      return value.text_value();
    case Value::kTimestampValue:
      return TimestampJson(value.timestamp_value());
    case Value::kGeoPointValue:
      return Json{
          {kGeoKey, Json::array({value.geo_point_value().latitude(),
                                 value.geo_point_value().longitude()})}};
    case Value::kImageValue:
      return ImageJson(value.image_value());
    case Value::kBoolList:
      return ListJson(value.bool_list());
    case Value::kIntegerList:
      return ListJson(value.integer_list());
    case Value::kDoubleList:
      return ListJson(value.double_list());
    case Value::kTextList:
      return ListJson(value.text_list());
    case Value::kTimestampList: {
      Json array = Json::array();
      for (const auto& element : value.timestamp_list().values()) {
        array.push_back(TimestampJson(element));
      }
      return array;
    }
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      return nullptr;
  }
  return nullptr;
}

absl::StatusOr<Value> ValueFromJson(const Json& json) {
  return json.is_array() ? ListFromJson(json) : ScalarFromJson(json);
}

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("is not JSON: ", error.what()));
  }
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string ValueText(const Value& value) {
  const auto as_is = [](std::string* out, const auto& element) {
    absl::StrAppend(out, element);
  };
  switch (value.kind_case()) {
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kIntegerValue:
      return absl::StrCat(value.integer_value());
    case Value::kDoubleValue:
      return NumberText(value.double_value());
    case Value::kTextValue:
      return value.text_value();
    case Value::kTimestampValue:
      return TimestampText(value.timestamp_value());
    case Value::kGeoPointValue:
      return absl::StrCat(NumberText(value.geo_point_value().latitude()), ",",
                          NumberText(value.geo_point_value().longitude()));
    case Value::kImageValue:
      return absl::StrCat("image, ",
                          BytesText(value.image_value().size_bytes()));
    case Value::kBoolList:
      return absl::StrJoin(value.bool_list().values(), ", ",
                           [](std::string* out, bool element) {
                             absl::StrAppend(out, element ? "true" : "false");
                           });
    case Value::kIntegerList:
      return absl::StrJoin(value.integer_list().values(), ", ", as_is);
    case Value::kDoubleList:
      return absl::StrJoin(value.double_list().values(), ", ",
                           [](std::string* out, double element) {
                             absl::StrAppend(out, NumberText(element));
                           });
    case Value::kTextList:
      return absl::StrJoin(value.text_list().values(), ", ", as_is);
    case Value::kTimestampList:
      return absl::StrJoin(value.timestamp_list().values(), ", ",
                           [](std::string* out, const auto& element) {
                             absl::StrAppend(out, TimestampText(element));
                           });
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      return "";
  }
  return "";
}

std::string TimestampText(const google::protobuf::Timestamp& timestamp) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ",
                          absl::FromUnixSeconds(timestamp.seconds()) +
                              absl::Nanoseconds(timestamp.nanos()),
                          absl::UTCTimeZone());
}

std::string BytesText(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double size = static_cast<double>(bytes);
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    size /= 1024;
    if (size < 1024) return absl::StrFormat("%.1f %s", size, unit);
  }
  return absl::StrFormat("%.1f TiB", size / 1024);
}

}  // namespace diptych::cli
