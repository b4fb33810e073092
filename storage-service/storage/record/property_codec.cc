#include "storage/record/property_codec.h"

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace diptych::storage {
namespace {

enum class ValueType : uint8_t {
  kNull = 0,
  kBool = 1,
  kInteger = 2,
  kDouble = 3,
  kText = 4,
  kTimestamp = 5,
  kGeoPoint = 6,
  kImage = 7,
  kExternalImage = 8,
  kBoolList = 17,
  kIntegerList = 18,
  kDoubleList = 19,
  kTextList = 20,
  kTimestampList = 21,
};

class ValueWriter {
 public:
  explicit ValueWriter(ByteWriter& writer) : writer_(writer) {}

  void operator()(std::monostate) { Type(ValueType::kNull); }
  void operator()(bool value) {
    Type(ValueType::kBool);
    Scalar(value);
  }
  void operator()(int64_t value) {
    Type(ValueType::kInteger);
    Scalar(value);
  }
  void operator()(double value) {
    Type(ValueType::kDouble);
    Scalar(value);
  }
  void operator()(const std::string& value) {
    Type(ValueType::kText);
    Scalar(value);
  }
  void operator()(Timestamp value) {
    Type(ValueType::kTimestamp);
    Scalar(value);
  }
  void operator()(const GeoPoint& value) {
    Type(ValueType::kGeoPoint);
    writer_.Double(value.latitude);
    writer_.Double(value.longitude);
  }
  void operator()(const ImageReference& value) {
    Type(value.external ? ValueType::kExternalImage : ValueType::kImage);
    writer_.String(value.content_sha256);
    writer_.Integer(value.size_bytes);
    writer_.String(value.uri);
  }
  void operator()(const std::vector<bool>& values) {
    List(ValueType::kBoolList, values);
  }
  void operator()(const std::vector<int64_t>& values) {
    List(ValueType::kIntegerList, values);
  }
  void operator()(const std::vector<double>& values) {
    List(ValueType::kDoubleList, values);
  }
  void operator()(const std::vector<std::string>& values) {
    List(ValueType::kTextList, values);
  }
  void operator()(const std::vector<Timestamp>& values) {
    List(ValueType::kTimestampList, values);
  }

 private:
  void Type(ValueType type) { writer_.Integer(static_cast<uint8_t>(type)); }
  void Scalar(bool value) { writer_.Integer(static_cast<uint8_t>(value)); }
  void Scalar(int64_t value) { writer_.Integer(value); }
  void Scalar(double value) { writer_.Double(value); }
  void Scalar(const std::string& value) { writer_.String(value); }
  void Scalar(Timestamp value) { writer_.Integer(value.unix_microseconds); }
  template <typename T>
  void List(ValueType type, const std::vector<T>& values) {
    Type(type);
    writer_.Integer(static_cast<uint32_t>(values.size()));
    for (const auto& value : values) Scalar(static_cast<const T&>(value));
  }

  ByteWriter& writer_;
};

bool ReadScalar(ByteReader& reader, bool& value) { return reader.Bool(value); }
bool ReadScalar(ByteReader& reader, int64_t& value) {
  return reader.Integer(value);
}
bool ReadScalar(ByteReader& reader, double& value) {
  return reader.Double(value);
}
bool ReadScalar(ByteReader& reader, std::string& value) {
  return reader.String(value);
}
bool ReadScalar(ByteReader& reader, Timestamp& value) {
  return reader.Integer(value.unix_microseconds);
}
bool ReadScalar(ByteReader& reader, GeoPoint& value) {
  return reader.Double(value.latitude) && reader.Double(value.longitude);
}
bool ReadScalar(ByteReader& reader, ImageReference& value) {
  return reader.String(value.content_sha256) &&
         reader.Integer(value.size_bytes) && reader.String(value.uri);
}

template <typename T>
bool ReadOne(ByteReader& reader, PropertyValue& property) {
  T value{};
  if (!ReadScalar(reader, value)) return false;
  property = std::move(value);
  return true;
}

template <typename T>
bool ReadList(ByteReader& reader, PropertyValue& property) {
  uint32_t count;
  // Every element takes at least a byte, so a lying count cannot make memory be
  // reserved.
  if (!reader.Integer(count) || count > reader.size()) return false;
  std::vector<T> values;
  values.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    T value{};
    if (!ReadScalar(reader, value)) return false;
    values.push_back(std::move(value));
  }
  property = std::move(values);
  return true;
}

bool ReadValue(ByteReader& reader, PropertyValue& value) {
  uint8_t type;
  if (!reader.Integer(type)) return false;
  switch (static_cast<ValueType>(type)) {
    case ValueType::kNull:
      value = std::monostate();
      return true;
    case ValueType::kBool:
      return ReadOne<bool>(reader, value);
    case ValueType::kInteger:
      return ReadOne<int64_t>(reader, value);
    case ValueType::kDouble:
      return ReadOne<double>(reader, value);
    case ValueType::kText:
      return ReadOne<std::string>(reader, value);
    case ValueType::kTimestamp:
      return ReadOne<Timestamp>(reader, value);
    case ValueType::kGeoPoint:
      return ReadOne<GeoPoint>(reader, value);
    case ValueType::kImage:
      return ReadOne<ImageReference>(reader, value);
    case ValueType::kExternalImage:
      if (!ReadOne<ImageReference>(reader, value)) return false;
      std::get<ImageReference>(value).external = true;
      return true;
    case ValueType::kBoolList:
      return ReadList<bool>(reader, value);
    case ValueType::kIntegerList:
      return ReadList<int64_t>(reader, value);
    case ValueType::kDoubleList:
      return ReadList<double>(reader, value);
    case ValueType::kTextList:
      return ReadList<std::string>(reader, value);
    case ValueType::kTimestampList:
      return ReadList<Timestamp>(reader, value);
  }
  return false;
}

}  // namespace

void WriteProperties(const Properties& properties, ByteWriter& writer) {
  writer.Integer(static_cast<uint32_t>(properties.size()));
  for (const auto& [name, value] : properties) {
    writer.String(name);
    std::visit(ValueWriter(writer), value);
  }
}

bool ReadProperties(ByteReader& reader, Properties& properties) {
  uint32_t count;
  if (!reader.Integer(count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    std::string name;
    PropertyValue value;
    if (!reader.String(name) || !ReadValue(reader, value)) return false;
    properties.insert_or_assign(std::move(name), std::move(value));
  }
  return true;
}

}  // namespace diptych::storage
