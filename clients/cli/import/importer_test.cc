#include "cli/import/importer.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/testing/sample_files.h"
#include "cli/testing/skipping_clock.h"
#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using storage::v1::ImportChunk;
using storage::v1::ImportObjectsRequest;
using storage::v1::ImportObjectsResponse;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

// What a server does with a chunk: answers it, or ends the call.
using Answer = std::function<absl::StatusOr<ImportObjectsResponse>(
    const ImportChunk& chunk)>;

class FakeCall final : public ImportCall {
 public:
  explicit FakeCall(const Answer& answer) : answer_(answer) {}

  bool Write(const ImportObjectsRequest& request) override {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return false;
    }
    if (request.has_header()) return true;
    auto answer = answer_(request.chunk());
    absl::MutexLock lock(&mutex_);
    if (answer.ok()) {
      responses_.push_back(*std::move(answer));
    } else {
      status_ = answer.status();
      ended_ = true;
    }
    return true;
  }
  void WritesDone() override {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  bool Read(ImportObjectsResponse& response) override {
    absl::MutexLock lock(&mutex_);
    const auto readable = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || !responses_.empty();
    };
    mutex_.Await(absl::Condition(&readable));
    if (responses_.empty()) return false;
    response = std::move(responses_.front());
    responses_.pop_front();
    return true;
  }
  absl::Status Finish() override {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  const Answer& answer_;
  absl::Mutex mutex_;
  std::deque<ImportObjectsResponse> responses_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

ImportObjectsResponse Acknowledge(const ImportChunk& chunk) {
  ImportObjectsResponse response;
  response.set_committed_sequence_number(chunk.sequence_number());
  return response;
}

void AddError(const ImportChunk& chunk, int index, const absl::Status& status,
              ImportObjectsResponse& response) {
  storage::v1::ImportError& error = *response.add_errors();
  error.set_sequence_number(chunk.sequence_number());
  error.set_index(index);
  *error.mutable_status() = ToStatusProto(status);
}

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
  // Runs an import against `answer`; chunks that it acknowledges are written.
  ImportResult Run(ImporterOptions options, const Answer& answer) {
    const std::vector<ImportItem> items = Items();
    const Answer recorded = [&](const ImportChunk& chunk) {
      absl::MutexLock lock(&mutex_);
      importer_ = current_;
      sizes_.push_back(chunk.objects_size());
      numbers_.push_back(chunk.sequence_number());
      auto response = answer(chunk);
      if (!response.ok()) return response;
      std::set<int> refused;
      for (const auto& error : response->errors()) {
        refused.insert(error.index());
      }
      for (int i = 0; i < chunk.objects_size(); ++i) {
        if (refused.count(i) == 0) written_.insert(chunk.objects(i).id());
      }
      return response;
    };
    Importer importer(
        options, [&recorded] { return std::make_unique<FakeCall>(recorded); },
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
  std::vector<int> sizes_;
  std::vector<int64_t> numbers_;
};

TEST_F(ImporterTest, SendsEverythingInChunks) {
  AddTexts(25);
  const ImportResult result =
      Run({.collection = "c", .batch_objects_max = 10}, Acknowledge);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 25);
  EXPECT_THAT(written_, SizeIs(25));
  EXPECT_THAT(sizes_, ElementsAre(10, 10, 5));
  EXPECT_THAT(numbers_, ElementsAre(1, 2, 3));
  EXPECT_FALSE(result.stopped);
}

TEST_F(ImporterTest, ChunksAreCutByBytesToo) {
  AddTexts(6);
  Run({.collection = "c", .batch_bytes_max = 8}, Acknowledge);
  EXPECT_THAT(sizes_, Each(2));
  // An object larger than the limit goes alone.
  sizes_.clear();
  Run({.collection = "c", .batch_bytes_max = 1}, Acknowledge);
  EXPECT_THAT(sizes_, Each(1));
  EXPECT_THAT(sizes_, SizeIs(6));
}

TEST_F(ImporterTest, UnreadableFilesAreSkippedAndNamed) {
  AddTexts(3);
  WriteFile(directory_.path() / "bad.png", "nothing");
  const ImportResult result = Run({.collection = "c"}, Acknowledge);
  EXPECT_EQ(result.imported, 3);
  ASSERT_THAT(result.skipped, SizeIs(1));
  EXPECT_EQ(result.skipped[0].file, "bad.png");
  EXPECT_THAT(result.skipped[0].reason, HasSubstr("not a picture"));
}

TEST_F(ImporterTest, ObjectsThatTheServerRefusesAreSkipped) {
  AddTexts(10);
  const ImportResult result =
      Run({.collection = "c"}, [](const ImportChunk& chunk) {
        ImportObjectsResponse response = Acknowledge(chunk);
        for (int i = 0; i < chunk.objects_size(); ++i) {
          if (chunk.objects(i).id() == "3.txt") {
            AddError(chunk, i,
                     InvalidField(absl::StrCat("objects[", i, "].properties"),
                                  "is bad"),
                     response);
          }
          if (chunk.objects(i).id() == "7.txt") {
            AddError(chunk, i, absl::InvalidArgumentError("no field"),
                     response);
          }
        }
        return response;
      });
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 8);
  ASSERT_THAT(result.skipped, SizeIs(2));
  EXPECT_EQ(result.skipped[0].reason, "properties is bad");
  EXPECT_EQ(result.skipped[1].reason, "no field");
  EXPECT_EQ(written_.count("3.txt"), 0u);
}

TEST_F(ImporterTest, AnObjectThatIsNotToBlameEndsTheImport) {
  AddTexts(100);
  const ImportResult result = Run(
      {.collection = "c", .batch_objects_max = 1, .max_in_flight = 1},
      [](const ImportChunk& chunk) {
        ImportObjectsResponse response = Acknowledge(chunk);
        AddError(chunk, 0, absl::UnavailableError("no inference"), response);
        return response;
      });
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable,
                                      HasSubstr("0.txt: no inference")));
  EXPECT_THAT(sizes_.size(), Le(2u));
  EXPECT_EQ(result.imported, 0);
}

TEST_F(ImporterTest, ABrokenCallGoesOnBehindTheLastAcknowledgement) {
  AddTexts(5);
  int calls = 0;
  const ImportResult result = Run(
      {.collection = "c", .batch_objects_max = 1, .max_in_flight = 1},
      [&](const ImportChunk& chunk) -> absl::StatusOr<ImportObjectsResponse> {
        if (chunk.sequence_number() == 3 && ++calls <= 2) {
          return absl::UnavailableError("connection reset");
        }
        return Acknowledge(chunk);
      });
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.imported, 5);
  EXPECT_THAT(numbers_, ElementsAre(1, 2, 3, 3, 3, 4, 5));
  EXPECT_THAT(written_, SizeIs(5));
}

TEST_F(ImporterTest, WaitsAsLongAsTheServerAsks) {
  AddTexts(1);
  std::vector<absl::Time> calls;
  const ImportResult result = Run(
      {.collection = "c"},
      [&](const ImportChunk& chunk) -> absl::StatusOr<ImportObjectsResponse> {
        calls.push_back(clock_.Now());
        if (calls.size() > 1) return Acknowledge(chunk);
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
  const ImportResult result = Run({.collection = "c",
                                   .attempts_max = 6,
                                   .backoff_initial = absl::Seconds(1),
                                   .backoff_max = absl::Seconds(4)},
                                  [&](const ImportChunk&) {
                                    calls.push_back(clock_.Now());
                                    return absl::UnavailableError("no server");
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
          [](const ImportChunk&) {
            return absl::NotFoundError("collection was deleted");
          });
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(sizes_, SizeIs(1));
}

TEST_F(ImporterTest, StopLetsChunksInFlightFinish) {
  AddTexts(10);
  const ImportResult result =
      Run({.collection = "c", .batch_objects_max = 2, .max_in_flight = 1},
          [&](const ImportChunk& chunk) {
            importer_->Stop();
            return Acknowledge(chunk);
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
        [](const ImportChunk& chunk) -> absl::StatusOr<ImportObjectsResponse> {
          if (chunk.objects(0).id() == "1.txt") {
            return absl::InternalError("disk");
          }
          return Acknowledge(chunk);
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
