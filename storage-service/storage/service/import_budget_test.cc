#include "storage/service/import_budget.h"

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

class ImportBudgetTest : public ::testing::Test {
 protected:
  ImportBudgetTest() {
    limits_.import_streams_max = 3;
    limits_.import_stream_chunks_max = 2;
    limits_.import_stream_bytes_max = 100;
    limits_.import_bytes_max = 150;
  }
  std::shared_ptr<ImportBudget::Share> Open() {
    if (budget_ == nullptr) budget_ = ImportBudget::Create(limits_, metrics_);
    auto share = budget_->Open();
    EXPECT_THAT(share, IsOk());
    return share.value_or(nullptr);
  }

  Limits limits_;
  MetricsRegistry metrics_;
  std::shared_ptr<ImportBudget> budget_;
};

TEST_F(ImportBudgetTest, AnImportStopsAtItsChunks) {
  const auto share = Open();
  share->Take(1);
  EXPECT_TRUE(share->AwaitRoom([] { FAIL(); }));
  share->Take(1);
  int resumed = 0;
  EXPECT_FALSE(share->AwaitRoom([&] { ++resumed; }));
  share->Return(1, 1);
  EXPECT_EQ(resumed, 1);
  share->Return(1, 1);
  EXPECT_EQ(resumed, 1);
}

TEST_F(ImportBudgetTest, AClosedImportMakesRoomForAnotherButKeepsItsBytes) {
  const auto first = Open(), second = Open(), third = Open();
  first->Take(90);
  EXPECT_THAT(budget_->Open(), StatusIs(absl::StatusCode::kResourceExhausted));
  first->Close();
  first->Close();
  const auto fourth = Open();
  fourth->Take(60);
  EXPECT_FALSE(fourth->AwaitRoom([] {}));
  first->Return(1, 90);
  EXPECT_TRUE(fourth->AwaitRoom([] { FAIL(); }));
}

TEST_F(ImportBudgetTest, AnImportStopsAtItsBytes) {
  const auto share = Open();
  share->Take(100);
  bool resumed = false;
  EXPECT_FALSE(share->AwaitRoom([&] { resumed = true; }));
  share->Return(0, 1);
  EXPECT_TRUE(resumed);
}

TEST_F(ImportBudgetTest, AllStopAtTheBytesOfAll) {
  const auto a = Open();
  const auto b = Open();
  const auto idle = Open();
  a->Take(90);
  b->Take(60);
  bool b_resumed = false, idle_resumed = false;
  EXPECT_FALSE(b->AwaitRoom([&] { b_resumed = true; }));
  EXPECT_FALSE(idle->AwaitRoom([&] { idle_resumed = true; }));
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_streams_waiting 2"));
  EXPECT_THAT(metrics_.TextExposition(), HasSubstr("diptych_import_bytes 150"));
  a->Return(1, 90);
  EXPECT_TRUE(b_resumed);
  EXPECT_TRUE(idle_resumed);
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_streams_waiting 0"));
}

TEST_F(ImportBudgetTest, AnImportThatEndsReturnsEverything) {
  auto a = Open();
  const auto b = Open();
  a->Take(150);
  EXPECT_FALSE(a->AwaitRoom([] { FAIL(); }));
  bool resumed = false;
  EXPECT_FALSE(b->AwaitRoom([&] { resumed = true; }));
  a.reset();
  EXPECT_TRUE(resumed);
  EXPECT_THAT(metrics_.TextExposition(), HasSubstr("diptych_import_bytes 0"));
  EXPECT_THAT(metrics_.TextExposition(), HasSubstr("diptych_import_streams 1"));
}

TEST_F(ImportBudgetTest, TooManyImportsAreRefusedForNow) {
  const auto a = Open();
  auto b = Open();
  const auto c = Open();
  const auto refused = budget_->Open();
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("3")));
  EXPECT_TRUE(RetryAfterOf(refused.status()).has_value());
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_streams_refused_total 1"));
  b.reset();
  EXPECT_THAT(budget_->Open(), IsOk());
}

}  // namespace
}  // namespace diptych::storage
