#include "cli/import/importer.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/testing/sample_files.h"
#include "cli/testing/skipping_clock.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using storage::v1::UpsertObjectsRequest;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ImporterTest : public ::testing::Test {
 protected:
  void AddTexts(int count) {
    for (int i = 0; i < count; ++i) {
      WriteFile(directory_.path() / absl::StrCat(i, ".txt"), "text");
    }
  }
  std::vector<ImportItem> Items() {
    auto plan = PlanImport(directory_.path(), IdSource::kPath);
    EXPECT_THAT(plan, IsOk());
    return plan->items;
  }
  // Runs an import against `answer`; OK answers are kept in written_.
  ImportResult Run(
      ImporterOptions options,
      std::function<absl::Status(const UpsertObjectsRequest&)> answer) {
    const std::vector<ImportItem> items = Items();
    Importer importer(
        options,
        [&](const UpsertObjectsRequest& request) {
          absl::MutexLock lock(&mutex_);
          importer_ = current_;
          absl::Status status = answer(request);
          batch_sizes_.push_back(request.objects_size());
          if (status.ok()) {
            for (const auto& object : request.objects()) {
              written_.insert(object.id());
            }
          }
          return status;
        },
        journal_, clock_);
    current_ = &importer;
    return importer.Run(items, nullptr, 0);
  }

  TempDirectory directory_;
  SkippingClock clock_;
  ImportJournal* journal_ = nullptr;
  absl::Mutex mutex_;
  Importer* current_ = nullptr;
  Importer* importer_ = nullptr;
  std::set<std::string> written_;
  std::vector<int> batch_sizes_;
};

absl::Status Accept(const UpsertObjectsRequest&) { return absl::OkStatus(); }

TEST_F(ImporterTest, SendsEverythingInBatches) {
  AddTexts(25);
  const ImportResult result =
      Run({.collection = "c", .batch_objects_max = 10}, Accept);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 25);
  EXPECT_THAT(written_, SizeIs(25));
  EXPECT_THAT(batch_sizes_, UnorderedElementsAre(10, 10, 5));
  EXPECT_FALSE(result.stopped);
}

TEST_F(ImporterTest, BatchesAreCutByBytesToo) {
  AddTexts(6);
  Run({.collection = "c", .batch_bytes_max = 8}, Accept);
  EXPECT_THAT(batch_sizes_, Each(2));
  // An object larger than the limit goes alone.
  batch_sizes_.clear();
  Run({.collection = "c", .batch_bytes_max = 1}, Accept);
  EXPECT_THAT(batch_sizes_, Each(1));
  EXPECT_THAT(batch_sizes_, SizeIs(6));
}

TEST_F(ImporterTest, UnreadableFilesAreSkippedAndNamed) {
  AddTexts(3);
  WriteFile(directory_.path() / "bad.png", "nothing");
  const ImportResult result = Run({.collection = "c"}, Accept);
  EXPECT_EQ(result.imported, 3);
  ASSERT_THAT(result.skipped, SizeIs(1));
  EXPECT_EQ(result.skipped[0].file, "bad.png");
  EXPECT_THAT(result.skipped[0].reason, HasSubstr("not a picture"));
}

TEST_F(ImporterTest, ObjectsThatTheServerNamesAreDroppedAndTheRestIsSent) {
  AddTexts(10);
  const ImportResult result =
      Run({.collection = "c"}, [](const UpsertObjectsRequest& request) {
        FieldViolations violations;
        for (int i = 0; i < request.objects_size(); ++i) {
          if (request.objects(i).id() == "3.txt" ||
              request.objects(i).id() == "7.txt") {
            violations.Add(absl::StrCat("objects[", i, "].properties"),
                           "is bad");
          }
        }
        return violations.ToStatus();
      });
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 8);
  ASSERT_THAT(result.skipped, SizeIs(2));
  EXPECT_EQ(result.skipped[0].reason, "properties is bad");
  EXPECT_EQ(written_.count("3.txt"), 0u);
  EXPECT_THAT(batch_sizes_, UnorderedElementsAre(10, 8));
}

TEST_F(ImporterTest, UnnamedBadObjectIsFoundByHalving) {
  AddTexts(9);
  const ImportResult result =
      Run({.collection = "c"}, [](const UpsertObjectsRequest& request) {
        for (const auto& object : request.objects()) {
          if (object.id() == "5.txt") {
            return absl::InvalidArgumentError("something is wrong");
          }
        }
        return absl::OkStatus();
      });
  EXPECT_EQ(result.imported, 8);
  ASSERT_THAT(result.skipped, SizeIs(1));
  EXPECT_EQ(result.skipped[0].file, "5.txt");
}

TEST_F(ImporterTest, WaitsAsLongAsTheServerAsks) {
  AddTexts(1);
  std::vector<absl::Time> calls;
  const ImportResult result =
      Run({.collection = "c"}, [&](const UpsertObjectsRequest&) {
        calls.push_back(clock_.Now());
        if (calls.size() > 1) return absl::OkStatus();
        return WithRetryAfter(absl::ResourceExhaustedError("queue is full"),
                              absl::Seconds(7));
      });
  EXPECT_EQ(result.imported, 1);
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_EQ(calls[1] - calls[0], absl::Seconds(7));
}

TEST_F(ImporterTest, DelaysDoubleUpToTheirLimit) {
  AddTexts(1);
  std::vector<absl::Time> calls;
  const ImportResult result =
      Run({.collection = "c",
           .attempts_max = 6,
           .backoff_initial = absl::Seconds(1),
           .backoff_max = absl::Seconds(4)},
          [&](const UpsertObjectsRequest&) {
            calls.push_back(clock_.Now());
            return absl::UnavailableError("no inference");
          });
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable,
                                      HasSubstr("gave up after 6 attempts")));
  ASSERT_THAT(calls, SizeIs(6));
  const double expected[] = {1, 2, 4, 4, 4};
  for (int i = 0; i < 5; ++i) {
    const double seconds = absl::ToDoubleSeconds(calls[i + 1] - calls[i]);
    EXPECT_GE(seconds, expected[i]);
    EXPECT_LE(seconds, expected[i] * 1.25);
  }
  EXPECT_EQ(result.imported, 0);
}

TEST_F(ImporterTest, OtherErrorsEndTheImportAtOnce) {
  AddTexts(100);
  const ImportResult result =
      Run({.collection = "c", .batch_objects_max = 1, .max_in_flight = 2},
          [](const UpsertObjectsRequest&) {
            return absl::FailedPreconditionError("another model");
          });
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(batch_sizes_.size(), Le(2u));
}

TEST_F(ImporterTest, StopLetsBatchesInFlightFinish) {
  AddTexts(10);
  const ImportResult result =
      Run({.collection = "c", .batch_objects_max = 2, .max_in_flight = 1},
          [&](const UpsertObjectsRequest&) {
            importer_->Stop();
            return absl::OkStatus();
          });
  EXPECT_TRUE(result.stopped);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 2);
}

TEST_F(ImporterTest, OnlyAcknowledgedObjectsAreInTheJournal) {
  AddTexts(3);
  TempDirectory state;
  const JournalKey key{"s", "c", "u", directory_.path().native()};
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto journal,
                                 ImportJournal::Open(state.path(), key, false));
    journal_ = journal.get();
    Run({.collection = "c", .batch_objects_max = 1, .max_in_flight = 1},
        [](const UpsertObjectsRequest& request) {
          return request.objects(0).id() == "1.txt"
                     ? absl::InternalError("disk")
                     : absl::OkStatus();
        });
    journal_ = nullptr;
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto journal,
                               ImportJournal::Open(state.path(), key, false));
  for (const ImportItem& item : Items()) {
    EXPECT_EQ(journal->Contains(item.id, item.signature), item.id == "0.txt")
        << item.id;
  }
}

}  // namespace
}  // namespace diptych::cli
