#include "inference/batching/encode_queue.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

constexpr BatchRules kRules = {.batch_max = 4,
                               .delay_max = absl::Milliseconds(5),
                               .deadline_margin = absl::Milliseconds(20)};

class EncodeQueueTest : public ::testing::Test {
 protected:
  static EncodeJob Text(int tokens, Priority priority = Priority::kInteractive,
                        CallContext call = {}) {
    TokenIds ids;
    ids.ids.assign(tokens, 7);
    return {std::move(ids), priority, std::move(call), {}};
  }
  static EncodeJob Picture(Priority priority = Priority::kInteractive) {
    return {Image(2, 2), priority, {}, {}};
  }
  void Add(EncodeJob job) { queue_.Add(std::move(job), now_); }
  void AddBulk(int count) {
    for (int i = 0; i < count; ++i) Add(Text(3, Priority::kBulk));
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  EncodeQueue queue_{kRules};
};

TEST_F(EncodeQueueTest, LoneInputIsTakenAtOnce) {
  Add(Text(3));
  EXPECT_LE(queue_.NextDue(), now_);
  const auto batch = queue_.TakeBatch(now_);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->reason, CloseReason::kIdle);
  EXPECT_EQ(batch->entries.size(), 1u);
  EXPECT_EQ(queue_.TakeBatch(now_), std::nullopt);
  EXPECT_EQ(queue_.NextDue(), absl::InfiniteFuture());
}

TEST_F(EncodeQueueTest, WaitsForInputsOnTheirWayUntilTheDelayEnds) {
  queue_.Expect(Modality::kText, Priority::kInteractive, 1);
  Add(Text(3));
  EXPECT_EQ(queue_.TakeBatch(now_), std::nullopt);
  EXPECT_EQ(queue_.NextDue(), now_ + kRules.delay_max);
  EXPECT_EQ(queue_.TakeBatch(now_ + kRules.delay_max - absl::Nanoseconds(1)),
            std::nullopt);
  const auto batch = queue_.TakeBatch(now_ + kRules.delay_max);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->reason, CloseReason::kDelay);
}

TEST_F(EncodeQueueTest, InteractiveDoesNotWaitForBulkNorForTheOtherModality) {
  queue_.Expect(Modality::kText, Priority::kBulk, 3);
  queue_.Expect(Modality::kImage, Priority::kInteractive, 3);
  AddBulk(1);
  EXPECT_EQ(queue_.TakeBatch(now_), std::nullopt);
  Add(Text(3));
  const auto batch = queue_.TakeBatch(now_);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->entries.size(), 2u);
}

TEST_F(EncodeQueueTest, FullBatchClosesThoughMoreIsExpected) {
  queue_.Expect(Modality::kText, Priority::kInteractive, 9);
  for (int i = 0; i < 5; ++i) Add(Text(3));
  const auto batch = queue_.TakeBatch(now_);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->reason, CloseReason::kFull);
  EXPECT_EQ(batch->entries.size(), 4u);
  EXPECT_EQ(queue_.size(), 1);
}

TEST_F(EncodeQueueTest, NearDeadlineClosesTheBatch) {
  queue_.Expect(Modality::kText, Priority::kInteractive, 1);
  Add(Text(
      3, Priority::kInteractive,
      {.deadline = now_ + absl::Milliseconds(22), .cancellation = nullptr}));
  EXPECT_EQ(queue_.TakeBatch(now_), std::nullopt);
  EXPECT_EQ(queue_.NextDue(), now_ + absl::Milliseconds(2));
  const auto batch = queue_.TakeBatch(now_ + absl::Milliseconds(2));
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->reason, CloseReason::kDeadline);
  EXPECT_EQ(batch->entries.size(), 1u);
}

TEST_F(EncodeQueueTest, ImagesAndTextsAreNeverInOneBatch) {
  Add(Text(3));
  Add(Picture());
  Add(Text(3));
  const auto texts = queue_.TakeBatch(now_);
  const auto images = queue_.TakeBatch(now_);
  ASSERT_TRUE(texts.has_value() && images.has_value());
  EXPECT_EQ(texts->modality, Modality::kText);
  EXPECT_EQ(texts->entries.size(), 2u);
  EXPECT_EQ(images->modality, Modality::kImage);
  EXPECT_EQ(images->entries.size(), 1u);
}

TEST_F(EncodeQueueTest, TextsAreGroupedByLength) {
  for (const int tokens : {2, 60, 8, 33, 9}) Add(Text(tokens));
  std::vector<std::vector<size_t>> lengths;
  while (const auto batch = queue_.TakeBatch(now_)) {
    lengths.emplace_back();
    for (const auto& entry : batch->entries) {
      lengths.back().push_back(std::get<TokenIds>(entry.job.input).ids.size());
    }
  }
  EXPECT_THAT(lengths,
              ::testing::UnorderedElementsAre(::testing::ElementsAre(2, 8),
                                              ::testing::ElementsAre(60, 33),
                                              ::testing::ElementsAre(9)));
}

TEST_F(EncodeQueueTest, InteractiveOvertakesBulk) {
  AddBulk(4);
  now_ += absl::Milliseconds(1);
  Add(Text(3));
  const auto batch = queue_.TakeBatch(now_);
  ASSERT_TRUE(batch.has_value());
  // It takes along as much of the bulk as there is interactive work.
  ASSERT_EQ(batch->entries.size(), 2u);
  EXPECT_EQ(batch->entries[0].job.priority, Priority::kInteractive);
  EXPECT_EQ(batch->entries[1].job.priority, Priority::kBulk);
  EXPECT_EQ(queue_.size(), 3);
}

TEST_F(EncodeQueueTest, BulkLeadsEveryFifthBatchUnderInteractiveLoad) {
  AddBulk(8);
  std::string leaders;
  for (int i = 0; i < 10; ++i) {
    // Interactive work of another group always waits, with more than a batch.
    for (int n = 0; n < 4; ++n) Add(Text(20));
    const auto batch = queue_.TakeBatch(now_);
    ASSERT_TRUE(batch.has_value());
    leaders += batch->entries[0].job.priority == Priority::kBulk ? 'b' : 'i';
  }
  EXPECT_EQ(leaders, "iiiibiiiib");
}

TEST_F(EncodeQueueTest, DeadInputsAreDroppedAndTakeNoRoom) {
  auto cancellation = std::make_shared<Cancellation>();
  Add(Text(3, Priority::kInteractive,
           {.deadline = now_, .cancellation = nullptr}));
  Add(Text(3, Priority::kInteractive, {.cancellation = cancellation}));
  for (int i = 0; i < 4; ++i) Add(Text(3));
  cancellation->Cancel();
  const auto batch = queue_.TakeBatch(now_);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->entries.size(), 4u);
  ASSERT_EQ(batch->dropped.size(), 2u);
  EXPECT_EQ(batch->dropped[0].second.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(batch->dropped[1].second.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(queue_.size(), 0);
}

TEST_F(EncodeQueueTest, ZeroDelayTakesWhatThereIs) {
  EncodeQueue queue({.batch_max = 4, .delay_max = absl::ZeroDuration()});
  queue.Expect(Modality::kText, Priority::kInteractive, 1);
  queue.Add(Text(3), now_);
  EXPECT_TRUE(queue.TakeBatch(now_).has_value());
}

TEST_F(EncodeQueueTest, FlushTakesWhatIsNotDue) {
  queue_.Expect(Modality::kText, Priority::kInteractive, 1);
  Add(Text(3));
  ASSERT_EQ(queue_.TakeBatch(now_), std::nullopt);
  const auto batch = queue_.TakeBatch(now_, /*flush=*/true);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->reason, CloseReason::kShutdown);
}

}  // namespace
}  // namespace diptych::inference
