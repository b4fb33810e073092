// Allocations that fail, one after the other, and memory that is used up
// (docs/testing.md).
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/memory/memory_reserve.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "common/time/clock.h"
#include "storage/engine/data_directory_check.h"
#include "tests/recovery/allocation_faults.h"
#include "tests/recovery/engine_probe.h"

namespace diptych::storage {
namespace {

constexpr size_t kReserveBytes = 1 << 20;

// How far apart the failures of a sweep lie. `runs` of them in the short form;
// DIPTYCH_ALLOCATION_STEP says otherwise, 1 is every allocation.
int64_t SweepStep(int64_t calls, int64_t runs) {
  int64_t step = 0;
  const char* const given = std::getenv("DIPTYCH_ALLOCATION_STEP");
  if (given != nullptr && absl::SimpleAtoi(given, &step) && step > 0) {
    return step;
  }
  return calls / runs + 1;
}

class AllocationFaultTest : public ::testing::Test {
 protected:
  AllocationFaultTest() {
    auto reserve =
        MemoryReserve::Install(kReserveBytes, Clock::System(), metrics_);
    EXPECT_THAT(reserve.status(), IsOk());
    reserve_ = *std::move(reserve);
  }

  // Writes, asks, closes, opens and asks again, while the allocations from
  // `first` on fail `count` times. Returns how many there were.
  int64_t Run(int64_t first, int64_t count) {
    TempDirectory directory;
    EngineProbe probe(directory.path());
    EXPECT_THAT(probe.Begin(), IsOk());
    const int64_t released_before = reserve_->released();
    auto faults = AllocationFaults::FailAllocations(first, count);
    // Everything is done as if nothing had been: the account of what was
    // written is the same.
    for (const EngineProbe::Step& step : probe.Steps()) {
      EXPECT_THAT(step.run(), IsOk()) << step.name;
    }
    EXPECT_THAT(probe.Check(), IsOk());
    EXPECT_THAT(probe.Reopen(), IsOk());
    EXPECT_THAT(probe.Check(), IsOk());
    const int64_t calls = faults->calls();
    EXPECT_EQ(reserve_->released() - released_before, faults->failed());
    if (first > 0 && first <= calls) {
      EXPECT_GT(faults->failed(), 0);
    }
    faults.reset();
    EXPECT_THAT(probe.CheckAndClose(), IsOk());
    return calls;
  }

  MetricsRegistry metrics_;
  std::unique_ptr<MemoryReserve> reserve_;
};

TEST_F(AllocationFaultTest, AnyAllocationMayFailAndNothingIsDifferent) {
  const int64_t calls = Run(0, 0);
  ASSERT_GT(calls, 1000);
  std::printf("%d allocations\n", static_cast<int>(calls));
  for (int64_t call = 1; call <= calls && !HasFailure();
       call += SweepStep(calls, 10)) {
    for (const int64_t failures :
         {int64_t{1}, static_cast<int64_t>(MemoryReserve::kBlocks)}) {
      SCOPED_TRACE(absl::StrCat("allocation ", call, ", failures ", failures));
      // Whole at the beginning of every run.
      reserve_.reset();
      auto reserve =
          MemoryReserve::Install(kReserveBytes, Clock::System(), metrics_);
      ASSERT_THAT(reserve.status(), IsOk());
      reserve_ = *std::move(reserve);
      Run(call, failures);
      EXPECT_EQ(reserve_->released(), failures);
      EXPECT_FALSE(reserve_->exhausted());
    }
  }
}

// What is there after no step, after one, and so on.
std::vector<WriteLedger::Objects> ObjectsAfterSteps() {
  TempDirectory directory;
  EngineProbe probe(directory.path());
  EXPECT_THAT(probe.Begin(), IsOk());
  std::vector<WriteLedger::Objects> objects = {probe.ledger().objects()};
  for (const EngineProbe::Step& step : probe.Steps()) {
    EXPECT_THAT(step.run(), IsOk()) << step.name;
    objects.push_back(probe.ledger().objects());
  }
  return objects;
}

// In a process of its own: does the steps, and writes a byte for every one that
// was acknowledged.
[[noreturn]] void RunUntilMemoryIsUsedUp(const std::filesystem::path& directory,
                                         int64_t first, int acknowledgements) {
  EngineProbe probe(directory);
  if (!probe.Begin().ok()) std::_Exit(1);
  const std::vector<EngineProbe::Step> steps = probe.Steps();
  const auto faults = AllocationFaults::FailForEver(first);
  for (const EngineProbe::Step& step : steps) {
    if (!step.run().ok()) std::_Exit(2);
    if (write(acknowledgements, "+", 1) != 1) std::_Exit(3);
  }
  std::_Exit(0);
}

TEST_F(AllocationFaultTest, WithoutMemoryTheProcessEndsAndLosesNothing) {
  const std::vector<WriteLedger::Objects> expected = ObjectsAfterSteps();
  int64_t calls = 0;
  {
    TempDirectory directory;
    EngineProbe probe(directory.path());
    ASSERT_THAT(probe.Begin(), IsOk());
    const auto count = AllocationFaults::FailAllocations(0, 0);
    for (const EngineProbe::Step& step : probe.Steps()) {
      ASSERT_THAT(step.run(), IsOk()) << step.name;
    }
    calls = count->calls();
  }
  int ended = 0;
  for (int64_t call = 1; call <= calls && !HasFailure();
       call += SweepStep(calls, 8)) {
    SCOPED_TRACE(absl::StrCat("from allocation ", call));
    TempDirectory directory;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      RunUntilMemoryIsUsedUp(directory.path(), call, ends[1]);
    }
    close(ends[1]);
    size_t acknowledged = 0;
    char byte = 0;
    while (read(ends[0], &byte, 1) == 1) ++acknowledged;
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    // Background work does not take equally many in every run.
    if (WEXITSTATUS(status) == 0) continue;
    EXPECT_EQ(WEXITSTATUS(status), kOutOfMemoryExitStatus);
    ++ended;

    LocalEngineOptions options;
    options.data_directory = directory.path() / "data";
    {
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine,
                                   LocalEngine::Open(options));
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto found, ListEngine(*engine));
      // All that was acknowledged, and what was under way whole or not at all.
      ASSERT_LT(acknowledged + 1, expected.size());
      EXPECT_TRUE(found == expected[acknowledged] ||
                  found == expected[acknowledged + 1])
          << "acknowledged steps: " << acknowledged;
      EXPECT_THAT(CheckEngine(*engine, found), IsOk());
    }
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const DirectoryCheck check,
                                 CheckDataDirectory(options.data_directory));
    for (const DirectoryFinding& finding : check.findings) {
      ADD_FAILURE() << finding.where << ": " << finding.what;
    }
  }
  EXPECT_GT(ended, 5);
}

TEST_F(AllocationFaultTest, WithoutMemoryForLmdbCallsSayResourceExhausted) {
  const auto run = [](int64_t first) {
    TempDirectory directory;
    EngineProbe probe(directory.path());
    EXPECT_THAT(probe.Begin(), IsOk());
    auto faults = AllocationFaults::FailLmdb(first);
    int refused = 0;
    for (const EngineProbe::Step& step : probe.Steps()) {
      const absl::Status status = step.run();
      // A rename or deletion of what was not made.
      if (status.ok() || absl::IsNotFound(status)) continue;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted))
          << step.name;
      EXPECT_EQ(ReasonOf(status), "OUT_OF_MEMORY") << step.name;
      ++refused;
    }
    const int64_t calls = faults->calls();
    if (first > 0 && first <= calls / 2) {
      EXPECT_GT(refused, 0);
    }
    faults.reset();
    EXPECT_THAT(probe.Settle(), IsOk());
    EXPECT_THAT(probe.CheckAndClose(), IsOk());
    return calls;
  };
  const int64_t calls = run(0);
  ASSERT_GT(calls, 30);
  for (int64_t call = 1; call <= calls && !HasFailure();
       call += SweepStep(calls, 8)) {
    SCOPED_TRACE(absl::StrCat("from call ", call));
    run(call);
  }
}

}  // namespace
}  // namespace diptych::storage
