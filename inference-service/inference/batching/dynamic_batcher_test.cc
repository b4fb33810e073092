#include "inference/batching/dynamic_batcher.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/model/fake_model.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Gives each text its first id as embedding, and records the batches.
class RecordingEncoder final : public Encoder {
 public:
  static constexpr int32_t kPoison = 666;

  RecordingEncoder() : Encoder(Info(), 1000) {}

  mutable std::vector<size_t> batches;

 private:
  static ModelInfo Info() {
    ModelInfo info;
    info.name = "recording";
    info.dimension = 2;
    info.has_text = true;
    info.has_image = true;
    info.context_length = 100;
    info.image_size = 2;
    return info;
  }
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const override {
    batches.push_back(texts.size());
    std::vector<Embedding> rows;
    for (const TokenIds& text : texts) {
      if (text.ids[0] == kPoison) return absl::InternalError("poison");
      rows.push_back({1.0f, static_cast<float>(text.ids[0])});
    }
    return rows;
  }
  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image> images) const override {
    batches.push_back(images.size());
    return std::vector<Embedding>(images.size(), Embedding{1, 0});
  }
};

class DynamicBatcherTest : public ::testing::Test {
 protected:
  using Result = absl::StatusOr<Embedding>;

  DynamicBatcher::Slot Reserve(Priority priority = Priority::kInteractive,
                               Modality modality = Modality::kText) {
    auto slots = batcher_.Reserve({modality}, priority);
    EXPECT_THAT(slots, IsOk());
    return std::move(slots->front());
  }

  // Submits a text whose only id is `id`; the result appears in the returned
  // place.
  std::shared_ptr<Result> Submit(DynamicBatcher::Slot slot, int32_t id,
                                 CallContext call = {}) {
    auto result = std::make_shared<Result>(absl::UnknownError("not yet"));
    batcher_.Submit(
        std::move(slot),
        {TokenIds{{id}, false}, Priority::kInteractive, std::move(call),
         [result](Result row) { *result = std::move(row); }});
    return result;
  }

  void RunAll() {
    while (batcher_.RunDueBatch()) {
    }
  }

  FakeClock clock_;
  MetricsRegistry registry_;
  BatcherMetrics metrics_{registry_, "recording"};
  RecordingEncoder encoder_;
  DynamicBatcher batcher_{
      encoder_,
      {.rules = {.batch_max = 4, .delay_max = absl::Milliseconds(5)},
       .queue_max = 6},
      clock_,
      &metrics_};
};

TEST_F(DynamicBatcherTest, EveryInputGetsItsOwnRow) {
  std::vector<std::shared_ptr<Result>> results;
  for (int i = 0; i < 6; ++i) results.push_back(Submit(Reserve(), i));
  RunAll();
  EXPECT_THAT(encoder_.batches, ElementsAre(4, 2));
  for (int i = 0; i < 6; ++i) {
    ASSERT_THAT(*results[i], IsOk());
    EXPECT_NEAR((**results[i])[1] / (**results[i])[0], i, 1e-4);
  }
  EXPECT_THAT(registry_.TextExposition(),
              HasSubstr("diptych_inference_batches_total{model=\"recording\","
                        "reason=\"full\"} 1"));
}

TEST_F(DynamicBatcherTest, BatchWaitsForReservedInputsUntilTheyAreReleased) {
  DynamicBatcher::Slot late = Reserve();
  const auto result = Submit(Reserve(), 1);
  EXPECT_FALSE(batcher_.RunDueBatch());
  late.Release();
  EXPECT_TRUE(batcher_.RunDueBatch());
  EXPECT_THAT(*result, IsOk());
}

TEST_F(DynamicBatcherTest, BatchWaitsAtMostTheDelay) {
  const DynamicBatcher::Slot late = Reserve();
  const auto result = Submit(Reserve(), 1);
  clock_.Advance(absl::Milliseconds(4));
  EXPECT_FALSE(batcher_.RunDueBatch());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(batcher_.RunDueBatch());
  EXPECT_THAT(*result, IsOk());
}

TEST_F(DynamicBatcherTest, FullQueueRefusesWholeRequestsAndSaysWhenToComeBack) {
  std::vector<DynamicBatcher::Slot> held;
  for (int i = 0; i < 5; ++i) held.push_back(Reserve());
  const auto refused = batcher_.Reserve({Modality::kText, Modality::kImage},
                                        Priority::kInteractive);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("no room for 2 inputs")));
  EXPECT_GT(RetryAfterOf(refused.status()), absl::ZeroDuration());
  EXPECT_EQ(batcher_.used(), 5);
  EXPECT_THAT(batcher_.Reserve({Modality::kText}, Priority::kInteractive),
              IsOk());
}

TEST_F(DynamicBatcherTest, BulkTakesAtMostHalfTheQueue) {
  std::vector<DynamicBatcher::Slot> held;
  for (int i = 0; i < 3; ++i) held.push_back(Reserve(Priority::kBulk));
  EXPECT_THAT(batcher_.Reserve({Modality::kText}, Priority::kBulk),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(batcher_.Reserve({Modality::kText}, Priority::kInteractive),
              IsOk());
}

TEST_F(DynamicBatcherTest, WaitersGetRoomInOrder) {
  std::vector<DynamicBatcher::Slot> held;
  for (int i = 0; i < 3; ++i) held.push_back(Reserve(Priority::kBulk));
  std::vector<int> served;
  std::vector<DynamicBatcher::Slot> got;
  for (int i = 0; i < 2; ++i) {
    batcher_.ReserveWhenRoom(Modality::kText, Priority::kBulk,
                             [&, i](absl::StatusOr<DynamicBatcher::Slot> slot) {
                               ASSERT_THAT(slot, IsOk());
                               served.push_back(i);
                               got.push_back(*std::move(slot));
                             });
  }
  EXPECT_TRUE(served.empty());
  held.pop_back();
  EXPECT_THAT(served, ElementsAre(0));
  held.pop_back();
  EXPECT_THAT(served, ElementsAre(0, 1));
}

TEST_F(DynamicBatcherTest, WaiterIsServedWhenABatchLeavesTheQueue) {
  std::vector<std::shared_ptr<Result>> results;
  for (int i = 0; i < 6; ++i) results.push_back(Submit(Reserve(), i));
  bool served = false;
  batcher_.ReserveWhenRoom(
      Modality::kText, Priority::kInteractive,
      [&](absl::StatusOr<DynamicBatcher::Slot>) { served = true; });
  EXPECT_FALSE(served);
  EXPECT_TRUE(batcher_.RunDueBatch());
  EXPECT_TRUE(served);
}

TEST_F(DynamicBatcherTest, DeadWorkNeverReachesTheModel) {
  auto cancellation = std::make_shared<Cancellation>();
  const auto expired = Submit(
      Reserve(), 1,
      {.deadline = clock_.Now() + absl::Seconds(1), .cancellation = nullptr});
  const auto cancelled = Submit(Reserve(), 2, {.cancellation = cancellation});
  clock_.Advance(absl::Seconds(1));
  cancellation->Cancel();
  RunAll();
  EXPECT_THAT(*expired, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(*cancelled, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(encoder_.batches.empty());
  EXPECT_EQ(batcher_.used(), 0);
}

TEST_F(DynamicBatcherTest, InputThatBreaksTheModelFailsAlone) {
  const auto good = Submit(Reserve(), 1);
  const auto bad = Submit(Reserve(), RecordingEncoder::kPoison);
  const auto also_good = Submit(Reserve(), 3);
  RunAll();
  EXPECT_THAT(*good, IsOk());
  EXPECT_THAT(*bad, StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(*also_good, IsOk());
}

TEST_F(DynamicBatcherTest, ShutdownEncodesWhatIsQueuedAndRefusesTheRest) {
  DynamicBatcher::Slot late = Reserve();
  const auto queued = Submit(Reserve(), 1);
  absl::Status waiting;
  std::vector<DynamicBatcher::Slot> held;
  while (batcher_.used() < 6) held.push_back(Reserve());
  batcher_.ReserveWhenRoom(Modality::kText, Priority::kInteractive,
                           [&](absl::StatusOr<DynamicBatcher::Slot> slot) {
                             waiting = slot.status();
                           });
  batcher_.Shutdown();
  EXPECT_THAT(*queued, IsOk());
  EXPECT_THAT(waiting, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(batcher_.Reserve({Modality::kText}, Priority::kInteractive),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(*Submit(std::move(late), 3),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(DynamicBatcherThreadTest, ManyCallersGetTheirRows) {
  const Model model = MakeFakeModel();
  DynamicBatcher batcher(*model.encoder, {.rules = {}, .queue_max = 10'000},
                         Clock::System(), nullptr);
  batcher.Start();
  constexpr int kCallers = 4, kCalls = 200;
  absl::BlockingCounter answered(kCallers * kCalls);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kCalls; ++i) {
        const TokenIds text = {{0, 2 + caller * kCalls + i, 1}, false};
        auto slots =
            batcher.Reserve({Modality::kText},
                            i % 2 ? Priority::kBulk : Priority::kInteractive);
        ASSERT_THAT(slots, IsOk());
        batcher.Submit(std::move(slots->front()),
                       {text,
                        i % 2 ? Priority::kBulk : Priority::kInteractive,
                        {},
                        [&, text](absl::StatusOr<Embedding> row) {
                          const auto expected =
                              model.encoder->EncodeTexts({text});
                          if (!row.ok() || *row != expected->front()) ++wrong;
                          answered.DecrementCount();
                        }});
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  answered.Wait();
  batcher.Shutdown();
  EXPECT_EQ(wrong, 0);
}

TEST(DynamicBatcherThreadTest, ThreadWakesWhenTheDelayEnds) {
  FakeClock clock;
  RecordingEncoder encoder;
  DynamicBatcher batcher(encoder, {}, clock, nullptr);
  batcher.Start();
  auto slots = batcher.Reserve({Modality::kText, Modality::kText},
                               Priority::kInteractive);
  absl::Notification done;
  batcher.Submit(std::move((*slots)[0]),
                 {TokenIds{{5}, false},
                  Priority::kInteractive,
                  {},
                  [&](absl::StatusOr<Embedding>) { done.Notify(); }});
  while (!done.HasBeenNotified()) clock.Advance(absl::Milliseconds(1));
  (*slots)[1].Release();
}

}  // namespace
}  // namespace diptych::inference
