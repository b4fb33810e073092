#include "common/memory/memory_reserve.h"

#include <new>

#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace diptych {
namespace {

class MemoryReserveTest : public ::testing::Test {
 protected:
  void Install(size_t bytes) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        reserve_, MemoryReserve::Install(bytes, clock_, metrics_));
  }
  // What operator new does when there is no memory.
  static void FailAllocation() { std::get_new_handler()(); }

  FakeClock clock_;
  MetricsRegistry metrics_;
  std::unique_ptr<MemoryReserve> reserve_;
};

TEST_F(MemoryReserveTest, InstallsAHandlerAndTakesItAwayAgain) {
  const std::new_handler before = std::get_new_handler();
  Install(1 << 20);
  EXPECT_NE(std::get_new_handler(), before);
  EXPECT_THAT(MemoryReserve::Install(1 << 20, clock_, metrics_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_NE(std::get_new_handler(), before);
  reserve_.reset();
  EXPECT_EQ(std::get_new_handler(), before);
}

TEST_F(MemoryReserveTest, RefusesUntilTheReserveIsWholeAgain) {
  Install(1 << 20);
  EXPECT_THAT(reserve_->Admit(), IsOk());
  FailAllocation();
  EXPECT_EQ(reserve_->released(), 1);
  // There is memory for it: the first look takes it.
  EXPECT_THAT(reserve_->Admit(), IsOk());
  FailAllocation();
  // The next one comes too early.
  const absl::Status refused = reserve_->Admit();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(ReasonOf(refused), "OUT_OF_MEMORY");
  EXPECT_EQ(RetryAfterOf(refused), absl::Seconds(1));
  const std::string metrics = metrics_.TextExposition();
  EXPECT_THAT(metrics, ::testing::HasSubstr(
                           "\ndiptych_memory_reserve_released_total 2\n"));
  EXPECT_THAT(metrics,
              ::testing::HasSubstr("\ndiptych_memory_reserve_exhausted 1\n"));
  clock_.Advance(MemoryReserve::kRetakeInterval);
  EXPECT_THAT(reserve_->Admit(), IsOk());
  EXPECT_THAT(metrics_.TextExposition(),
              ::testing::HasSubstr("\ndiptych_memory_reserve_exhausted 0\n"));
}

TEST_F(MemoryReserveTest, SurvivesAFailurePerBlock) {
  Install(1 << 20);
  for (size_t i = 0; i < MemoryReserve::kBlocks; ++i) FailAllocation();
  EXPECT_EQ(reserve_->released(), static_cast<int64_t>(MemoryReserve::kBlocks));
  EXPECT_FALSE(reserve_->exhausted());
}

TEST_F(MemoryReserveTest, EndsTheProcessWhenNothingIsLeft) {
  Install(1 << 20);
  EXPECT_EXIT(for (size_t i = 0; i <= MemoryReserve::kBlocks; ++i)
                  FailAllocation(),
              ::testing::ExitedWithCode(kOutOfMemoryExitStatus),
              "nothing that was acknowledged is lost");
}

TEST_F(MemoryReserveTest, SaysWhenTheSystemDoesNotGiveIt) {
  EXPECT_THAT(
      MemoryReserve::Install(size_t{1} << 60, clock_, metrics_).status(),
      StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace diptych
