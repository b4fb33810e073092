// System calls that fail, one after the other, and disks that are full
// (docs/testing.md).
#include <cerrno>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/record/lmdb_record_store.h"
#include "tests/recovery/engine_probe.h"
#include "tests/recovery/io_faults.h"

namespace diptych::storage {
namespace {

// Every call in the long form, some in the short one.
int64_t SweepStep(int64_t otherwise) {
  return std::getenv("DIPTYCH_EVERY_FAULT") == nullptr ? otherwise : 1;
}

absl::Status Put(RecordStore& store, const std::string& key,
                 const std::string& value) {
  return store.RunWrite([&](WriteTransaction& transaction) {
    return transaction.Put(Table::kIds, key, value);
  });
}

std::string Get(RecordStore& store, const std::string& key) {
  auto read = store.BeginRead();
  if (!read.ok()) return read.status().ToString();
  auto value = (*read)->Get(Table::kIds, key);
  if (!value.ok()) return value.status().ToString();
  return std::string(value->value_or("nothing"));
}

TEST(FailingStoreTest, EveryCallOfACommitMayFailAndTheNextCommitSucceeds) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  ASSERT_THAT(Put(*store, "key", "0"), IsOk());
  int64_t calls = 0;
  {
    const auto count = IoFaults::FailCalls(0, 0, 0);
    ASSERT_THAT(Put(*store, "key", "1"), IsOk());
    calls = count->calls();
  }
  ASSERT_GE(calls, 3);
  std::string value = "1";
  int written = 1;
  for (int64_t call = 1; call <= calls + 1; ++call) {
    // One failure, and several, of which the mending meets some.
    for (int64_t failures = 1; failures <= 6; ++failures) {
      SCOPED_TRACE(absl::StrCat("call ", call, ", failures ", failures));
      const std::string next = absl::StrCat(++written);
      {
        const auto faults = IoFaults::FailCalls(call, failures, EIO);
        const absl::Status status = Put(*store, "key", next);
        if (faults->failed() > 0) {
          EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal));
        } else {
          EXPECT_THAT(status, IsOk());
          value = next;
        }
      }
      EXPECT_EQ(Get(*store, "key"), value);
      value = absl::StrCat(++written);
      EXPECT_THAT(Put(*store, "key", value), IsOk());
      EXPECT_EQ(Get(*store, "key"), value);
    }
  }
  store.reset();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(store,
                               LmdbRecordStore::Open(directory.path(), {}));
  EXPECT_EQ(Get(*store, "key"), value);
}

TEST(FailingStoreTest, WhileTheDiskGoesOnFailingEveryCallSaysSo) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  int closed = 0;
  // A commit has three or four calls, as its pages lie; the last one writes the
  // meta page.
  for (int64_t round = 0; round < 20; ++round) {
    const int64_t call = 1 + round % 5;
    SCOPED_TRACE(absl::StrCat("call ", call));
    ASSERT_THAT(Put(*store, "key", "before"), IsOk());
    {
      const auto faults = IoFaults::FailCalls(call, 1000, EIO);
      if (Put(*store, "key", "after").ok()) continue;
      EXPECT_THAT(Put(*store, "key", "later"),
                  StatusIs(absl::StatusCode::kInternal));
      // In doubt about the last commit it answers nothing.
      if (!store->BeginRead().ok()) {
        ++closed;
        EXPECT_EQ(Get(*store, "key").substr(0, 8), "INTERNAL");
        EXPECT_THAT(store->Sync(), StatusIs(absl::StatusCode::kInternal));
        EXPECT_EQ(store->size_bytes(), 0u);
      }
    }
    EXPECT_EQ(Get(*store, "key"), "before");
    EXPECT_THAT(Put(*store, "key", "mended"), IsOk());
    EXPECT_EQ(Get(*store, "key"), "mended");
  }
  EXPECT_GT(closed, 0);
}

class EngineFaultTest : public ::testing::Test {
 protected:
  // Does all steps, of which the calls from `first` on fail, and checks what
  // is left. Returns how many calls there were.
  int64_t Run(int64_t first, int64_t count, int error_number) {
    TempDirectory directory;
    EngineProbe probe(directory.path());
    EXPECT_THAT(probe.Begin(), IsOk());
    auto faults = IoFaults::FailCalls(first, count, error_number);
    for (const EngineProbe::Step& step : probe.Steps()) {
      const int64_t failed_before = faults->failed();
      const absl::Status status = step.run();
      if (status.ok()) continue;
      SCOPED_TRACE(absl::StrCat(step.name, ": ", status.ToString()));
      // A rename or deletion of what was not made.
      if (faults->failed() == failed_before) {
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
        continue;
      }
      EXPECT_THAT(status, StatusIs(error_number == ENOSPC
                                       ? absl::StatusCode::kResourceExhausted
                                       : absl::StatusCode::kInternal));
      EXPECT_THAT(probe.Settle(), IsOk());
    }
    const int64_t calls = faults->calls();
    faults.reset();
    EXPECT_THAT(probe.Settle(), IsOk());
    EXPECT_THAT(probe.CheckAndClose(), IsOk());
    return calls;
  }
};

TEST_F(EngineFaultTest, AnyCallMayFailOnce) {
  const int64_t calls = Run(0, 0, 0);
  ASSERT_GT(calls, 30);
  std::printf("%d system calls\n", static_cast<int>(calls));
  for (int64_t call = 1; call <= calls && !HasFailure();
       call += SweepStep(11)) {
    for (int error_number : {EIO, ENOSPC}) {
      SCOPED_TRACE(absl::StrCat("call ", call, ", errno ", error_number));
      Run(call, 1, error_number);
    }
  }
}

TEST(FullDiskTest, WritesSayResourceExhaustedReadsGoOnAndWritesToo) {
  TempDirectory directory;
  EngineProbe probe(directory.path());
  ASSERT_THAT(probe.Begin(), IsOk());
  for (int round = 0; round < 3; ++round) {
    {
      const auto full = IoFaults::FullDisk();
      // The file may have free pages for some.
      absl::Status status;
      for (int i = 0; i < 10'000 && status.ok(); ++i) {
        status = probe.Steps()[0].run();
        if (status.ok()) status = probe.WriteOneMore();
      }
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_EQ(ReasonOf(status), "STORE_FULL");
      EXPECT_GT(full->failed(), 0);
      EXPECT_THAT(probe.Settle(), IsOk());
      EXPECT_THAT(probe.Check(), IsOk());
      EXPECT_THAT(probe.engine().CreateSnapshot({}, "no_room"),
                  StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(probe.engine().CompactCollection({}, kProbeCollection),
                  StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(probe.Check(), IsOk());
    }
    for (const EngineProbe::Step& step : probe.Steps()) {
      if (step.name == "snapshot") continue;
      EXPECT_THAT(step.run(), IsOk()) << step.name;
    }
    EXPECT_THAT(probe.Check(), IsOk());
    EXPECT_THAT(probe.Reopen(), IsOk());
    EXPECT_THAT(probe.Check(), IsOk());
  }
  EXPECT_THAT(probe.CloseAndCheckFiles(), IsOk());
}

}  // namespace
}  // namespace diptych::storage
