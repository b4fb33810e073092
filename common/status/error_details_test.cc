#include "common/status/error_details.h"

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ErrorDetailsTest, NoViolationIsOk) {
  EXPECT_THAT(FieldViolations().ToStatus(), IsOk());
}

TEST(ErrorDetailsTest, EveryViolationIsNamedInMessageAndDetail) {
  FieldViolations violations;
  violations.Add("top_k", "is 0; give 1 to 10000");
  violations.Add("filter", "is too deep");
  const absl::Status status = violations.ToStatus();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("top_k is 0; give 1 to 10000; filter")));
  ASSERT_THAT(FieldViolationsOf(status), SizeIs(2));
  EXPECT_EQ(FieldViolationsOf(status)[1].field, "filter");
}

TEST(ErrorDetailsTest, ManyViolationsAreCutAndCounted) {
  FieldViolations violations;
  for (int i = 0; i < FieldViolations::kReportedMax + 5; ++i)
    violations.Add("inputs", "is empty");
  const absl::Status status = violations.ToStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("and 5 more")));
  EXPECT_THAT(FieldViolationsOf(status), SizeIs(FieldViolations::kReportedMax));
}

TEST(ErrorDetailsTest, DetailsSurviveAnnotation) {
  const absl::Status status = Annotate(
      WithReason(WithRetryAfter(absl::ResourceExhaustedError("queue full"),
                                absl::Milliseconds(1500)),
                 "QUEUE_FULL"),
      "model demo");
  EXPECT_EQ(status.message(), "model demo: queue full");
  EXPECT_EQ(RetryAfterOf(status), absl::Milliseconds(1500));
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
}

TEST(ErrorDetailsTest, FieldsAreRenamedByTheirPrefix) {
  FieldViolations violations;
  violations.Add("spec.name", "is empty");
  violations.Add("other", "is wrong");
  const absl::Status status =
      RenameFields(violations.ToStatus(), "spec.", "collection.");
  ASSERT_THAT(FieldViolationsOf(status), SizeIs(2));
  EXPECT_EQ(FieldViolationsOf(status)[0].field, "collection.name");
  EXPECT_EQ(FieldViolationsOf(status)[1].field, "other");
  EXPECT_THAT(RenameFields(absl::NotFoundError("gone"), "a", "b"),
              StatusIs(absl::StatusCode::kNotFound, "gone"));
}

TEST(ErrorDetailsTest, OkStaysOk) {
  EXPECT_THAT(WithReason(absl::OkStatus(), "X"), IsOk());
  EXPECT_THAT(WithRetryAfter(absl::OkStatus(), absl::Seconds(1)), IsOk());
  EXPECT_THAT(Annotate(absl::OkStatus(), "x"), IsOk());
  EXPECT_EQ(RetryAfterOf(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace diptych
