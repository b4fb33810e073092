// GoogleTest matchers for absl::Status and absl::StatusOr (Abseil 20220623
// ships none).
//
//   EXPECT_THAT(store.Put(key, value), IsOk());
//   EXPECT_THAT(store.Get(key), IsOkAndHolds("value"));
//   EXPECT_THAT(store.Get(""), StatusIs(absl::StatusCode::kInvalidArgument,
//   HasSubstr("empty key"))); DIPTYCH_ASSERT_OK_AND_ASSIGN(auto index,
//   OpenIndex(path));
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  if (StatusOf(arg).ok()) return true;
  *result_listener << StatusOf(arg).ToString();
  return false;
}

MATCHER_P2(StatusIs, code, message_matcher, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(message_matcher,
                                       std::string(StatusOf(arg).message()),
                                       result_listener);
}

MATCHER_P(StatusIs, code, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P(IsOkAndHolds, value_matcher, "") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value_matcher, *arg, result_listener);
}

}  // namespace diptych

#define DIPTYCH_ASSERT_OK_AND_ASSIGN(target, expression)                       \
  DIPTYCH_ASSERT_OK_AND_ASSIGN_IMPL(DIPTYCH_TEST_CONCAT(status_or_, __LINE__), \
                                    target, expression)
#define DIPTYCH_ASSERT_OK_AND_ASSIGN_IMPL(status_or, target, expression) \
  auto status_or = (expression);                                         \
  ASSERT_TRUE(status_or.ok()) << status_or.status();                     \
  target = *std::move(status_or)
#define DIPTYCH_TEST_CONCAT_INNER(a, b) a##b
#define DIPTYCH_TEST_CONCAT(a, b) DIPTYCH_TEST_CONCAT_INNER(a, b)
