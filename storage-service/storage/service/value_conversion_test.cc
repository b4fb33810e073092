#include "storage/service/value_conversion.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(ValueConversionTest, EveryKindRoundTrips) {
  const std::vector<PropertyValue> values = {
      std::monostate(),
      true,
      int64_t{-9'007'199'254'740'993},
      0.1,
      std::string("粉色 sofa"),
      Timestamp{-1},
      Timestamp{1'700'000'000'123'456},
      GeoPoint{48.1, 11.5},
      ImageReference{"", 0, "https://example.org/a.png"},
      std::vector<bool>{true, false},
      std::vector<int64_t>{1, 2},
      std::vector<double>{1.5},
      std::vector<std::string>{"a", ""},
      std::vector<Timestamp>{{5}},
      std::vector<std::string>{},
  };
  for (const PropertyValue& value : values) {
    FieldViolations violations;
    EXPECT_EQ(ValueFromProto(ValueToProto(value), "v", violations), value);
    EXPECT_TRUE(violations.empty());
  }
}

TEST(ValueConversionTest, ImageBytesTravelBesideTheirReference) {
  ProtoProperties properties;
  properties["photo"].mutable_image_value()->set_data("abc");
  properties["link"].mutable_image_value()->set_uri(
      "https://example.org/b.png");
  properties["name"].set_text_value("x");
  FieldViolations violations;
  EXPECT_THAT(PropertiesFromProto(properties, "p", violations), SizeIs(3));
  EXPECT_TRUE(violations.empty());
  EXPECT_THAT(ImagesFromProto(properties), ElementsAre(Pair("photo", "abc")));
}

TEST(ValueConversionTest, EmptyValueAndEmptyImageAreNamed) {
  ProtoProperties properties;
  properties["price"];
  properties["photo"].mutable_image_value();
  FieldViolations violations;
  PropertiesFromProto(properties, "objects[3].properties", violations);
  ASSERT_THAT(violations.violations(), SizeIs(2));
  EXPECT_THAT(violations.ToStatus().message(),
              HasSubstr("objects[3].properties[\"price\"] has no value"));
  EXPECT_THAT(violations.ToStatus().message(),
              HasSubstr("objects[3].properties[\"photo\"] has neither"));
}

TEST(ValueConversionTest, TimestampsOutsideTheirRangeAreRefused) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(253'402'300'800);
  FieldViolations violations;
  TimestampFromProto(timestamp, "t", violations);
  EXPECT_THAT(violations.ToStatus().message(), HasSubstr("years 1 and 9999"));
}

TEST(ValueConversionTest, FiltersCompareWithScalarsOnly) {
  v1::Value list;
  list.mutable_text_list()->add_values("a");
  v1::Value null;
  null.set_null_value(google::protobuf::NULL_VALUE);
  for (const v1::Value& value : {list, null, v1::Value()}) {
    FieldViolations violations;
    OperandFromProto(value, "filter.comparison.value", violations);
    EXPECT_THAT(violations.violations(), SizeIs(1));
  }
}

TEST(ValueConversionTest, VectorWithoutNumbersIsRefused) {
  FieldViolations violations;
  EXPECT_THAT(VectorFromProto(v1::Vector(), "v", violations), IsEmpty());
  EXPECT_THAT(violations.violations(), SizeIs(1));
  v1::Vector vector = VectorToProto({1.f, -2.f});
  FieldViolations none;
  EXPECT_EQ(VectorFromProto(vector, "v", none),
            (std::vector<float>{1.f, -2.f}));
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace diptych::storage
