#include "inference/model/device.h"

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using Kind = DeviceRequest::Kind;

TEST(DeviceTest, NamesAreParsed) {
  EXPECT_EQ(ParseDevice("auto")->kind, Kind::kAuto);
  EXPECT_EQ(ParseDevice("cpu")->kind, Kind::kCpu);
  EXPECT_EQ(ParseDevice("cuda")->kind, Kind::kCuda);
  EXPECT_EQ(ParseDevice("cuda")->index, 0);
  EXPECT_EQ(ParseDevice("cuda:3")->index, 3);
}

TEST(DeviceTest, OtherNamesAreRefused) {
  for (const char* text : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"}) {
    EXPECT_THAT(ParseDevice(text).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::HasSubstr("cuda:N")))
        << text;
  }
}

}  // namespace
}  // namespace diptych::inference
