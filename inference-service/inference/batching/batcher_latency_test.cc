// How long a query waits under bulk load, with a clock that only the encoder
// moves: exact, and the same every time.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/batching/dynamic_batcher.h"

namespace diptych::inference {
namespace {

constexpr int kBatchMax = 32;
constexpr absl::Duration kCostPerInput = absl::Milliseconds(10);

// Takes its time by the clock, and calls `during` in the middle of a batch.
class TimedEncoder final : public Encoder {
 public:
  TimedEncoder(FakeClock& clock, std::string name)
      : Encoder(Info(std::move(name)), 1000), clock_(clock) {}

  std::function<void()> during;

 private:
  static ModelInfo Info(std::string name) {
    ModelInfo info;
    info.name = std::move(name);
    info.dimension = 1;
    info.has_text = true;
    info.context_length = 100;
    return info;
  }
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const override {
    const absl::Duration half =
        kCostPerInput * static_cast<int>(texts.size()) / 2;
    clock_.Advance(half);
    if (during) during();
    clock_.Advance(half);
    return std::vector<Embedding>(texts.size(), Embedding{1});
  }
  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image>) const override {
    return absl::UnimplementedError("reads texts only");
  }

  FakeClock& clock_;
};

class BatcherLatencyTest : public ::testing::Test {
 protected:
  // Adds when each of `count` inputs was answered to `answered`.
  void Submit(DynamicBatcher& batcher, Priority priority, int count,
              std::vector<absl::Time>& answered) {
    auto slots = batcher.Reserve(std::vector<Modality>(count, Modality::kText),
                                 priority);
    ASSERT_THAT(slots, IsOk());
    for (DynamicBatcher::Slot& slot : *slots) {
      batcher.Submit(std::move(slot),
                     {TokenIds{{1}, false},
                      priority,
                      {},
                      [this, &answered](absl::StatusOr<Embedding> row) {
                        EXPECT_THAT(row, IsOk());
                        answered.push_back(clock_.Now());
                      }});
    }
  }

  FakeClock clock_;
  TimedEncoder encoder_{clock_, "model"};
  DynamicBatcher batcher_{
      encoder_,
      {.rules = {.batch_max = kBatchMax}, .queue_max = 1024},
      clock_,
      nullptr};
};

TEST_F(BatcherLatencyTest, QueryAmongBulkWaitsForOneBatchAndTwiceItsIdleTime) {
  std::vector<absl::Time> idle;
  const absl::Time begin = clock_.Now();
  Submit(batcher_, Priority::kInteractive, 1, idle);
  ASSERT_TRUE(batcher_.RunDueBatch());
  const absl::Duration idle_latency = idle.at(0) - begin;
  EXPECT_EQ(idle_latency, kCostPerInput);

  std::vector<absl::Time> bulk;
  std::vector<absl::Time> query;
  absl::Time asked;
  Submit(batcher_, Priority::kBulk, 10 * kBatchMax, bulk);
  bool sent = false;
  encoder_.during = [&] {
    if (std::exchange(sent, true)) return;
    asked = clock_.Now();
    Submit(batcher_, Priority::kInteractive, 1, query);
  };
  while (batcher_.RunDueBatch()) {
  }
  ASSERT_EQ(query.size(), 1u);
  EXPECT_LE(query[0] - asked, 2 * idle_latency + kBatchMax * kCostPerInput);
  EXPECT_EQ(bulk.size(), 10u * kBatchMax);
}

TEST_F(BatcherLatencyTest, BulkGoesOnWhileQueriesNeverStop) {
  std::vector<absl::Time> bulk;
  std::vector<absl::Time> queries;
  Submit(batcher_, Priority::kBulk, 4 * kBatchMax, bulk);
  int asked = 0;
  encoder_.during = [&] {
    if (++asked <= 500) Submit(batcher_, Priority::kInteractive, 1, queries);
  };
  Submit(batcher_, Priority::kInteractive, 1, queries);
  int batches = 0;
  while (bulk.size() < 4u * kBatchMax && batcher_.RunDueBatch()) ++batches;
  EXPECT_EQ(bulk.size(), 4u * kBatchMax);
  // The queries had not ended when the bulk was done.
  EXPECT_LT(asked, 500);
  while (batcher_.RunDueBatch()) {
  }
  EXPECT_EQ(queries.size(), 501u);
}

TEST_F(BatcherLatencyTest, OneModelsLoadFillsNoOthersQueue) {
  TimedEncoder other_encoder{clock_, "other"};
  DynamicBatcher other{
      other_encoder, {.rules = {}, .queue_max = 4}, clock_, nullptr};
  std::vector<absl::Time> bulk;
  std::vector<absl::Time> query;
  Submit(batcher_, Priority::kBulk, 512, bulk);
  EXPECT_THAT(batcher_.Reserve({Modality::kText}, Priority::kBulk),
              StatusIs(absl::StatusCode::kResourceExhausted));
  Submit(other, Priority::kInteractive, 1, query);
  ASSERT_TRUE(other.RunDueBatch());
  EXPECT_EQ(query.size(), 1u);
  while (batcher_.RunDueBatch()) {
  }
}

}  // namespace
}  // namespace diptych::inference
