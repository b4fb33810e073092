#include "cli/output/error_report.h"

#include "common/status/error_details.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::HasSubstr;

TEST(ErrorReportTest, SaysCodeMessageRetryAndHint) {
  const absl::Status status =
      WithHint(WithRetryAfter(absl::UnavailableError("the queue is full"),
                              absl::Milliseconds(1500)),
               "try later");
  EXPECT_EQ(ErrorText(status, Style(false)),
            "error: unavailable: the queue is full\n"
            "  retry in 1.5s\n"
            "  hint: try later\n");
}

TEST(ErrorReportTest, NamesFieldsThatTheMessageDoesNot) {
  FieldViolations violations;
  violations.Add("top_k", "is 0; give 1 to 10000");
  const absl::Status said = violations.ToStatus();
  EXPECT_EQ(ErrorText(said, Style(false)),
            "error: invalid argument: top_k is 0; give 1 to 10000\n");
  absl::Status unsaid(absl::StatusCode::kInvalidArgument, "bad request");
  said.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    unsaid.SetPayload(url, payload);
  });
  EXPECT_THAT(ErrorText(unsaid, Style(false)),
              HasSubstr("  field top_k: is 0; give 1 to 10000\n"));
}

TEST(ErrorReportTest, JsonHoldsEverything) {
  const absl::Status status = WithReason(
      WithRetryAfter(InvalidField("ids[2]", "is empty"), absl::Seconds(2)),
      "BAD_ID");
  const Json error = ErrorToJson(status)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["fields"][0]["field"], "ids[2]");
  EXPECT_EQ(error["reason"], "BAD_ID");
  EXPECT_EQ(error["retry_after_seconds"], 2.0);
}

TEST(ErrorReportTest, ServersEscapeSequencesDoNotReachTheTerminal) {
  EXPECT_EQ(ErrorText(absl::InternalError("\x1b[2J"), Style(false)),
            "error: internal: \xEF\xBF\xBD[2J\n");
}

}  // namespace
}  // namespace diptych::cli
