#include "cli/output/json_value.h"

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<storage::v1::Value> Parsed(absl::string_view text) {
  const auto json = ParseJson(text);
  if (!json.ok()) return json.status();
  return ValueFromJson(*json);
}

TEST(JsonValueTest, EveryKindSurvivesTheWayThereAndBack) {
  for (const char* text :
       {"null", "true", "-12", "1.5", "\"red\"", "[true,false]", "[1,2]",
        "[0.5,1.0]", "[\"a\",\"b\"]", "{\"$geo\":[52.5,13.25]}",
        "{\"$timestamp\":\"2024-05-01T12:00:00.25Z\"}",
        "[{\"$timestamp\":\"2024-05-01T12:00:00Z\"}]"}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto value, Parsed(text));
    EXPECT_EQ(ValueToJson(value).dump(), text);
  }
}

TEST(JsonValueTest, WholeDoubleStaysADouble) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto value, Parsed("3.0"));
  EXPECT_TRUE(value.has_double_value());
}

TEST(JsonValueTest, MixedNumbersBecomeDoubles) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto value, Parsed("[1, 2.5]"));
  EXPECT_EQ(value.double_list().values_size(), 2);
}

TEST(JsonValueTest, DateAloneIsMidnightUtcAndTextStaysText) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto date,
                               Parsed("{\"$timestamp\":\"2024-05-01\"}"));
  EXPECT_EQ(TimestampText(date.timestamp_value()), "2024-05-01T00:00:00Z");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text, Parsed("\"2024-05-01\""));
  EXPECT_EQ(text.text_value(), "2024-05-01");
}

TEST(JsonValueTest, TimesBefore1970AreExact) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto value, Parsed("{\"$timestamp\":\"1969-12-31T23:59:59.5Z\"}"));
  EXPECT_EQ(value.timestamp_value().seconds(), -1);
  EXPECT_EQ(value.timestamp_value().nanos(), 500'000'000);
}

TEST(JsonValueTest, RefusesWhatHasNoKind) {
  for (const char* text :
       {"{}", "{\"a\":1}", "[[1]]", "[1,\"a\"]", "[null]",
        "{\"$timestamp\":\"yesterday\"}", "{\"$timestamp\":5}",
        "{\"$geo\":[91,0]}", "{\"$geo\":[1]}", "18446744073709551615", "1e999",
        "{"}) {
    EXPECT_THAT(Parsed(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(JsonValueTest, TextForPeople) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto list, Parsed("[\"red\",\"blue\"]"));
  EXPECT_EQ(ValueText(list), "red, blue");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto geo, Parsed("{\"$geo\":[52.5,13]}"));
  EXPECT_EQ(ValueText(geo), "52.5,13");
  storage::v1::Value image;
  image.mutable_image_value()->set_size_bytes(12'600);
  EXPECT_EQ(ValueText(image), "image, 12.3 KiB");
}

TEST(JsonValueTest, ImageNamesHashAndSize) {
  storage::v1::Value image;
  image.mutable_image_value()->set_size_bytes(3);
  image.mutable_image_value()->set_content_sha256("\x01\xAB");
  EXPECT_EQ(ValueToJson(image).dump(),
            "{\"$image\":{\"sha256\":\"01ab\",\"size_bytes\":3}}");
}

TEST(JsonValueTest, BadUtf8IsReplacedInOutput) {
  EXPECT_THAT(JsonText(Json("a\xFF")), HasSubstr("\xEF\xBF\xBD"));
}

}  // namespace
}  // namespace diptych::cli
