#include "inference/pipeline/model_pipeline.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/model/fake_model.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "bad..." is no picture; anything else is one whose colour is its first byte.
absl::StatusOr<Image> Decode(absl::string_view bytes) {
  if (bytes.substr(0, 3) == "bad") {
    return absl::InvalidArgumentError("is no picture that can be read");
  }
  Image image(20, 20);
  for (int i = 0; i < 20 * 20 * 3; ++i) {
    image.data()[i] = static_cast<uint8_t>(bytes[0]);
  }
  return image;
}

class ModelPipelineTest : public ::testing::Test {
 protected:
  using Result = absl::StatusOr<std::vector<PipelineOutput>>;

  static PipelineInput Text(absl::string_view text, int index) {
    return {Modality::kText, text,
            "inputs[" + std::to_string(index) + "].text"};
  }
  static PipelineInput Picture(absl::string_view bytes, int index) {
    return {Modality::kImage, bytes,
            "inputs[" + std::to_string(index) + "].image"};
  }

  std::unique_ptr<ModelPipeline> MakePipeline(Model model) {
    return std::make_unique<ModelPipeline>(
        std::move(model), Decode,
        PipelineLimits{
            .inputs_max = 8, .text_bytes_max = 100, .image_bytes_max = 50},
        BatcherOptions{.rules = {}, .queue_max = 8}, cpu_stage_, clock_,
        registry_);
  }

  // Empty until the request is answered.
  std::shared_ptr<std::vector<Result>> Start(std::vector<PipelineInput> inputs,
                                             CallContext call = {}) {
    auto result = std::make_shared<std::vector<Result>>();
    pipeline_->Vectorize(
        std::move(inputs), Priority::kInteractive, std::move(call),
        [result](Result value) { result->push_back(std::move(value)); });
    return result;
  }
  void RunAll() {
    do {
      executor_.RunAll();
    } while (pipeline_->RunDueBatch());
  }
  Result Run(std::vector<PipelineInput> inputs) {
    const auto result = Start(std::move(inputs));
    RunAll();
    EXPECT_EQ(result->size(), 1u);
    return result->front();
  }

  FakeClock clock_;
  MetricsRegistry registry_;
  ManualExecutor executor_;
  PriorityExecutor cpu_stage_{executor_};
  std::unique_ptr<ModelPipeline> pipeline_ = MakePipeline(MakeFakeModel());
};

TEST_F(ModelPipelineTest, TextsAndPicturesComeBackInOrder) {
  const Model model = MakeFakeModel();
  std::string words;
  for (int i = 0; i < 40; ++i) words += "w ";
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto outputs,
      Run({Text("red circle", 0), Picture("P", 1), Text(words, 2)}));
  ASSERT_EQ(outputs.size(), 3u);
  const auto rows =
      model.encoder->EncodeTexts({*model.tokenizer->Tokenize("red circle")});
  EXPECT_EQ(outputs[0].embedding, rows->front());
  EXPECT_EQ(outputs[0].tokens, 4);
  EXPECT_FALSE(outputs[0].truncated);
  const auto picture = model.encoder->EncodeImages(
      {*model.image_preprocessor->Preprocess(*Decode("P"))});
  EXPECT_EQ(outputs[1].embedding, picture->front());
  EXPECT_EQ(outputs[1].tokens, 0);
  EXPECT_TRUE(outputs[2].truncated);
}

TEST_F(ModelPipelineTest, EveryBadInputIsNamedAndNothingIsEncoded) {
  const auto result =
      Run({Text("fine", 0), Picture("bad one", 1), Text("", 2),
           Picture(std::string(51, 'x'), 3), Text(std::string(101, 'x'), 4),
           Picture("P", 5), Picture("bad two", 6)});
  ASSERT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const auto& violation : FieldViolationsOf(result.status())) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields, ElementsAre("inputs[1].image", "inputs[2].text",
                                  "inputs[3].image", "inputs[4].text",
                                  "inputs[6].image"));
  EXPECT_THAT(registry_.TextExposition(),
              HasSubstr("diptych_inference_batch_inputs_count{model=\"fake\"} "
                        "0"));
}

TEST_F(ModelPipelineTest, TooManyOrNoInputsAreRefused) {
  EXPECT_THAT(Run({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("must be 1 to 8")));
  EXPECT_THAT(Run(std::vector<PipelineInput>(9, Text("x", 0))),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ModelPipelineTest, ModalityThatTheModelLacksIsABadInput) {
  Model model = MakeFakeModel();
  model.image_preprocessor = nullptr;
  pipeline_ = MakePipeline(std::move(model));
  EXPECT_THAT(Run({Text("x", 0), Picture("P", 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("inputs[1].image cannot be embedded: model "
                                 "fake reads texts only")));
}

TEST_F(ModelPipelineTest, FullQueueRefusesTheWholeRequest) {
  const auto first = Start(std::vector<PipelineInput>(7, Text("x", 0)));
  EXPECT_THAT(Run({Text("a", 0), Text("b", 1)}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  RunAll();
  EXPECT_THAT(first->front(), IsOk());
  EXPECT_THAT(Run({Text("a", 0), Text("b", 1)}), IsOk());
}

TEST_F(ModelPipelineTest, FullCpuStageRefusesAndGivesItsPlacesBack) {
  ManualExecutor small(1);
  PriorityExecutor small_stage(small);
  ModelPipeline pipeline(MakeFakeModel(), Decode, {},
                         {.rules = {}, .queue_max = 8}, small_stage, clock_,
                         registry_);
  for (int i = 0; i < 20; ++i) {
    absl::Status status;
    pipeline.Vectorize({Text("a", 0), Text("b", 1)}, Priority::kInteractive, {},
                       [&](Result result) { status = result.status(); });
    small.RunAll();
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("wait to be decoded")));
    EXPECT_TRUE(RetryAfterOf(status).has_value());
  }
}

TEST_F(ModelPipelineTest, ExpiredAndCancelledRequestsAreNotPrepared) {
  auto cancellation = std::make_shared<Cancellation>();
  const auto expired = Start(
      {Picture("bad", 0)},
      {.deadline = clock_.Now() + absl::Seconds(1), .cancellation = nullptr});
  const auto cancelled =
      Start({Picture("bad", 0)}, {absl::InfiniteFuture(), cancellation});
  clock_.Advance(absl::Seconds(1));
  cancellation->Cancel();
  RunAll();
  // Decoding would have said INVALID_ARGUMENT.
  EXPECT_THAT(expired->front(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(cancelled->front(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ModelPipelineTest, StreamInputWaitsForRoomInsteadOfBeingRefused) {
  std::vector<std::string> events;
  // Bulk may hold half of the 8 places.
  for (int i = 0; i < 5; ++i) {
    pipeline_->VectorizeWhenRoom(
        {Modality::kText, "text", "input.text"}, {},
        [&events, i] { events.push_back("admitted " + std::to_string(i)); },
        [&events, i](Result result) {
          ASSERT_THAT(result, IsOk());
          events.push_back("done " + std::to_string(i));
        });
  }
  EXPECT_THAT(events, ElementsAre("admitted 0", "admitted 1", "admitted 2",
                                  "admitted 3"));
  events.clear();
  RunAll();
  EXPECT_THAT(events, ElementsAre("admitted 4", "done 0", "done 1", "done 2",
                                  "done 3", "done 4"));
}

TEST_F(ModelPipelineTest, BadStreamInputNeedsNoRoom) {
  std::vector<std::string> events;
  pipeline_->VectorizeWhenRoom(
      {Modality::kText, "", "input.text"}, {},
      [&] { events.push_back("admitted"); },
      [&](Result result) {
        events.push_back(std::string(result.status().message()));
      });
  EXPECT_THAT(events,
              ElementsAre("admitted", HasSubstr("input.text is empty")));
}

TEST_F(ModelPipelineTest, WhatIsKnownNeitherWaitsNorIsComputed) {
  EmbeddingCache cache(1 << 20, registry_);
  ModelPipeline pipeline(MakeFakeModel(), Decode, {},
                         {.rules = {}, .queue_max = 2}, cpu_stage_, clock_,
                         registry_, {&cache, "scope"});
  const auto run = [&](std::vector<PipelineInput> inputs) {
    // The answer may come after this returns.
    const auto result =
        std::make_shared<Result>(absl::UnknownError("not answered"));
    pipeline.Vectorize(std::move(inputs), Priority::kInteractive, {},
                       [result](Result value) { *result = std::move(value); });
    return *result;
  };
  EXPECT_THAT(run({Text("red circle", 0), Picture("P", 1)}),
              StatusIs(absl::StatusCode::kUnknown));
  do {
    executor_.RunAll();
  } while (pipeline.RunDueBatch());
  // Fills the queue.
  (void)run({Text("x", 0), Text("y", 0)});
  EXPECT_THAT(run({Text("z", 0)}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  // Answered at once, though nothing has room.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto known,
                               run({Picture("P", 0), Text("red circle", 1)}));
  EXPECT_EQ(known[1].tokens, 4);
  const Model model = MakeFakeModel();
  EXPECT_EQ(
      known[1].embedding,
      model.encoder->EncodeTexts({*model.tokenizer->Tokenize("red circle")})
          ->front());
  EXPECT_THAT(run({Text("P", 0)}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  const std::string metrics = registry_.TextExposition();
  EXPECT_THAT(
      metrics,
      HasSubstr("diptych_inference_cache_hits_total{model=\"fake\"} 2"));
  EXPECT_THAT(metrics, HasSubstr("diptych_inference_tokens_total{model=\"fake"
                                 "\"} 8"));
  do {
    executor_.RunAll();
  } while (pipeline.RunDueBatch());
}

TEST_F(ModelPipelineTest, KnownAndNewInputsComeBackInOrder) {
  EmbeddingCache cache(1 << 20, registry_);
  pipeline_ = std::make_unique<ModelPipeline>(
      MakeFakeModel(), Decode, PipelineLimits{}, BatcherOptions{}, cpu_stage_,
      clock_, registry_, PipelineCache{&cache, "scope"});
  EXPECT_THAT(Run({Text("b", 0)}), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto mixed, Run({Text("a", 0), Text("b", 1), Picture("P", 2)}));
  pipeline_ = MakePipeline(MakeFakeModel());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto computed, Run({Text("a", 0), Text("b", 1), Picture("P", 2)}));
  for (size_t i = 0; i < computed.size(); ++i) {
    EXPECT_EQ(mixed[i].embedding, computed[i].embedding) << i;
  }
}

TEST_F(ModelPipelineTest, WaitingBytesAreBounded) {
  pipeline_ = std::make_unique<ModelPipeline>(
      MakeFakeModel(), Decode, PipelineLimits{.queue_bytes_max = 10},
      BatcherOptions{}, cpu_stage_, clock_, registry_);
  const auto first = Start({Picture("P1234567", 0)});
  const auto refused = Start({Text("abc", 0)});
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_THAT(refused->front(), StatusIs(absl::StatusCode::kResourceExhausted,
                                         HasSubstr("allowed 10 bytes")));
  // A stream's input waits, and its reader with it.
  std::vector<std::string> events;
  pipeline_->VectorizeWhenRoom(
      {Modality::kText, "abc", "input.text"}, {},
      [&] { events.push_back("admitted"); },
      [&](Result result) {
        events.push_back(result.ok() ? "done" : "failed");
      });
  EXPECT_THAT(registry_.TextExposition(),
              HasSubstr("diptych_inference_queue_bytes{model=\"fake\"} 8"));
  RunAll();
  EXPECT_THAT(events, ElementsAre("admitted", "done"));
  EXPECT_THAT(first->front(), IsOk());
  EXPECT_THAT(registry_.TextExposition(),
              HasSubstr("diptych_inference_queue_bytes{model=\"fake\"} 0"));
}

TEST_F(ModelPipelineTest, WarmUpRunsBothTowers) {
  EXPECT_THAT(pipeline_->WarmUp(), IsOk());
}

}  // namespace
}  // namespace diptych::inference
