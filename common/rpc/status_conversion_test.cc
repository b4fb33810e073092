#include "common/rpc/status_conversion.h"

#include <string>

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(StatusConversionTest, EveryCodeKeepsItsNumberThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), status);
    EXPECT_EQ(FromStatusProto(ToStatusProto(status)), status);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_THAT(FromGrpcStatus(grpc::Status()), IsOk());
  EXPECT_THAT(FromStatusProto(ToStatusProto(absl::OkStatus())), IsOk());
}

TEST(StatusConversionTest, DetailsTravelBothWays) {
  FieldViolations violations;
  violations.Add("inputs[2].image", "is no picture");
  const absl::Status status =
      WithReason(WithRetryAfter(violations.ToStatus(), absl::Seconds(2)), "X");
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
  EXPECT_EQ(FromStatusProto(ToStatusProto(status)), status);
}

TEST(StatusConversionTest, UnknownCodeIsUnknown) {
  // A message may hold any number; gRPC's own enumeration never does.
  google::rpc::Status strange;
  strange.set_code(77);
  EXPECT_THAT(FromStatusProto(strange), StatusIs(absl::StatusCode::kUnknown));
}

TEST(StatusConversionTest, PayloadsThatAreNoMessagesStayHere) {
  absl::Status status = absl::InternalError("x");
  status.SetPayload("local", absl::Cord("secret"));
  EXPECT_EQ(ToGrpcStatus(status).error_details(), "");
}

TEST(StatusConversionTest, LargeErrorFitsTheTrailerAndKeepsItsFirstFields) {
  FieldViolations violations;
  for (int i = 0; i < 16; ++i) {
    violations.Add("inputs[" + std::to_string(i) + "].text",
                   std::string(400, 'x'));
  }
  const grpc::Status wire = ToGrpcStatus(violations.ToStatus());
  EXPECT_LE(wire.error_message().size(), kMessageBytesMax);
  EXPECT_LE(wire.error_details().size(), kDetailBytesMax);
  const absl::Status status = FromGrpcStatus(wire);
  ASSERT_GE(FieldViolationsOf(status).size(), 4u);
  EXPECT_EQ(FieldViolationsOf(status)[0].field, "inputs[0].text");
  // A status inside a message is not cut.
  EXPECT_THAT(
      FieldViolationsOf(FromStatusProto(ToStatusProto(violations.ToStatus()))),
      SizeIs(16));
}

TEST(StatusConversionTest, MessageIsCutBetweenCharacters) {
  std::string text;
  while (text.size() < 2 * kMessageBytesMax) text += "\u20ac";
  const std::string cut =
      ToGrpcStatus(absl::InternalError(text)).error_message();
  EXPECT_LE(cut.size(), kMessageBytesMax);
  EXPECT_GT(cut.size(), kMessageBytesMax - 8);
  EXPECT_EQ((cut.size() - 4) % 3, 0u);
  EXPECT_THAT(cut, HasSubstr(" ..."));
}

TEST(StatusConversionTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("a\xff\xc3(\xed\xa0\x80z"))
                .error_message(),
            "a?"
            "?(?"
            "??z");
}

}  // namespace
}  // namespace diptych
