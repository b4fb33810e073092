#include "storage/service/value_conversion.h"

#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

constexpr int64_t kTimestampSecondsMin =
    -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kTimestampSecondsMax =
    253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr int64_t kMicrosecondsPerSecond = 1'000'000;

constexpr absl::string_view kNoKind =
    "has no value; set one of its kinds, or null_value for null";

ImageReference ImageFromProto(const v1::Image& image, absl::string_view path,
                              FieldViolations& violations) {
  ImageReference reference;
  reference.uri = image.uri();
  // What an answer carried can be written back: the content is then found by
  // its hash.
  reference.content_sha256 = image.content_sha256();
  if (image.data().empty() && image.uri().empty() &&
      image.content_sha256().empty()) {
    violations.Add(
        path,
        "has neither data nor uri; give the encoded picture, its URI, or both");
  }
  return reference;
}

template <typename List>
auto ListFromProto(const List& list) {
  using Element = std::decay_t<decltype(list.values(0))>;
  return std::vector<Element>(list.values().begin(), list.values().end());
}

struct ValueWriter {
  v1::Value operator()(std::monostate) const {
    v1::Value out;
    out.set_null_value(google::protobuf::NULL_VALUE);
    return out;
  }
  v1::Value operator()(bool value) const {
    v1::Value out;
    out.set_bool_value(value);
    return out;
  }
  v1::Value operator()(int64_t value) const {
    v1::Value out;
    out.set_integer_value(value);
    return out;
  }
  v1::Value operator()(double value) const {
    v1::Value out;
    out.set_double_value(value);
    return out;
  }
  v1::Value operator()(const std::string& value) const {
    v1::Value out;
    out.set_text_value(value);
    return out;
  }
  v1::Value operator()(Timestamp value) const {
    v1::Value out;
    *out.mutable_timestamp_value() = TimestampToProto(value);
    return out;
  }
  v1::Value operator()(GeoPoint value) const {
    v1::Value out;
    out.mutable_geo_point_value()->set_latitude(value.latitude);
    out.mutable_geo_point_value()->set_longitude(value.longitude);
    return out;
  }
  v1::Value operator()(const ImageReference& value) const {
    v1::Value out;
    out.mutable_image_value()->set_uri(value.uri);
    out.mutable_image_value()->set_content_sha256(value.content_sha256);
    out.mutable_image_value()->set_size_bytes(
        static_cast<int64_t>(value.size_bytes));
    out.mutable_image_value()->set_stored(!value.content_sha256.empty() &&
                                          !value.external);
    return out;
  }
  v1::Value operator()(const std::vector<bool>& values) const {
    v1::Value out;
    auto* list = out.mutable_bool_list();
    for (const bool value : values) list->add_values(value);
    return out;
  }
  v1::Value operator()(const std::vector<int64_t>& values) const {
    v1::Value out;
    out.mutable_integer_list()->mutable_values()->Assign(values.begin(),
                                                         values.end());
    return out;
  }
  v1::Value operator()(const std::vector<double>& values) const {
    v1::Value out;
    out.mutable_double_list()->mutable_values()->Assign(values.begin(),
                                                        values.end());
    return out;
  }
  v1::Value operator()(const std::vector<std::string>& values) const {
    v1::Value out;
    out.mutable_text_list()->mutable_values()->Assign(values.begin(),
                                                      values.end());
    return out;
  }
  v1::Value operator()(const std::vector<Timestamp>& values) const {
    v1::Value out;
    auto* list = out.mutable_timestamp_list();
    for (const Timestamp value : values)
      *list->add_values() = TimestampToProto(value);
    return out;
  }
};

}  // namespace

PropertyValue ValueFromProto(const v1::Value& value, absl::string_view path,
                             FieldViolations& violations) {
  switch (value.kind_case()) {
    case v1::Value::kNullValue:
      return std::monostate();
    case v1::Value::kBoolValue:
      return value.bool_value();
    case v1::Value::kIntegerValue:
      return int64_t{value.integer_value()};
    case v1::Value::kDoubleValue:
      return value.double_value();
    case v1::Value::kTextValue:
      return value.text_value();
    case v1::Value::kTimestampValue:
      return TimestampFromProto(value.timestamp_value(), path, violations);
    case v1::Value::kGeoPointValue:
      return GeoPoint{value.geo_point_value().latitude(),
                      value.geo_point_value().longitude()};
    case v1::Value::kImageValue:
      return ImageFromProto(value.image_value(), path, violations);
    case v1::Value::kBoolList:
      return ListFromProto(value.bool_list());
    case v1::Value::kIntegerList:
      return std::vector<int64_t>(value.integer_list().values().begin(),
                                  value.integer_list().values().end());
    case v1::Value::kDoubleList:
      return ListFromProto(value.double_list());
    case v1::Value::kTextList:
      return ListFromProto(value.text_list());
    case v1::Value::kTimestampList: {
      std::vector<Timestamp> timestamps;
      for (const auto& timestamp : value.timestamp_list().values()) {
        timestamps.push_back(TimestampFromProto(timestamp, path, violations));
      }
      return timestamps;
    }
    case v1::Value::KIND_NOT_SET:
      break;
  }
  violations.Add(path, kNoKind);
  return std::monostate();
}

Properties PropertiesFromProto(const ProtoProperties& properties,
                               absl::string_view path,
                               FieldViolations& violations) {
  Properties result;
  for (const auto& [name, value] : properties) {
    result.emplace(name,
                   ValueFromProto(value, absl::StrCat(path, "[\"", name, "\"]"),
                                  violations));
  }
  return result;
}

ImageBytes ImagesFromProto(const ProtoProperties& properties) {
  ImageBytes result;
  for (const auto& [name, value] : properties) {
    if (!value.image_value().data().empty())
      result.emplace(name, value.image_value().data());
  }
  return result;
}

FilterOperand OperandFromProto(const v1::Value& value, absl::string_view path,
                               FieldViolations& violations) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
      return value.bool_value();
    case v1::Value::kIntegerValue:
      return int64_t{value.integer_value()};
    case v1::Value::kDoubleValue:
      return value.double_value();
    case v1::Value::kTextValue:
      return value.text_value();
    case v1::Value::kTimestampValue:
      return TimestampFromProto(value.timestamp_value(), path, violations);
    case v1::Value::kNullValue:
      violations.Add(
          path, "is null; use is_null to ask for absent or null properties");
      return false;
    case v1::Value::KIND_NOT_SET:
      violations.Add(path, kNoKind);
      return false;
    default:
      violations.Add(path,
                     "is a list, a place or a picture; a filter compares with "
                     "a bool, number, text or timestamp");
      return false;
  }
}

std::vector<float> VectorFromProto(const v1::Vector& vector,
                                   absl::string_view path,
                                   FieldViolations& violations) {
  if (!vector.has_dense() || vector.dense().values().empty()) {
    violations.Add(path, "has no numbers; give dense.values");
    return {};
  }
  return std::vector<float>(vector.dense().values().begin(),
                            vector.dense().values().end());
}

v1::Value ValueToProto(const PropertyValue& value) {
  return std::visit(ValueWriter(), value);
}

v1::Vector VectorToProto(const std::vector<float>& vector) {
  v1::Vector out;
  out.mutable_dense()->mutable_values()->Assign(vector.begin(), vector.end());
  return out;
}

Timestamp TimestampFromProto(const google::protobuf::Timestamp& timestamp,
                             absl::string_view path,
                             FieldViolations& violations) {
  if (timestamp.seconds() < kTimestampSecondsMin ||
      timestamp.seconds() > kTimestampSecondsMax || timestamp.nanos() < 0 ||
      timestamp.nanos() > 999'999'999) {
    violations.Add(
        path, absl::StrCat("is no timestamp between the years 1 and 9999: ",
                           timestamp.seconds(), " seconds and ",
                           timestamp.nanos(), " nanoseconds"));
    return {};
  }
  return {timestamp.seconds() * kMicrosecondsPerSecond +
          timestamp.nanos() / 1000};
}

google::protobuf::Timestamp TimestampToProto(Timestamp timestamp) {
  int64_t seconds = timestamp.unix_microseconds / kMicrosecondsPerSecond;
  int64_t microseconds = timestamp.unix_microseconds % kMicrosecondsPerSecond;
  if (microseconds < 0) {
    // google.protobuf.Timestamp counts its nanoseconds forward, also before
    // 1970.
    microseconds += kMicrosecondsPerSecond;
    --seconds;
  }
  google::protobuf::Timestamp out;
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(microseconds * 1000));
  return out;
}

uint32_t PageSizeFromProto(int32_t page_size, FieldViolations& violations) {
  if (page_size >= 0) return static_cast<uint32_t>(page_size);
  violations.Add("page_size",
                 absl::StrCat("is ", page_size,
                              "; give 0 for the default, or how many at most"));
  return 0;
}

}  // namespace diptych::storage
