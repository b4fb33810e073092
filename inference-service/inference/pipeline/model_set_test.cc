#include "inference/pipeline/model_set.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/model/fake_model.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

class ModelSetTest : public ::testing::Test {
 protected:
  std::unique_ptr<ModelPipeline> MakePipeline(const std::string& name,
                                              int dimension = 64) {
    auto pipeline = std::make_unique<ModelPipeline>(
        MakeFakeModel({.name = name, .dimension = dimension}),
        [](absl::string_view) { return Image(4, 4); }, PipelineLimits{},
        BatcherOptions{}, cpu_stage_, Clock::System(), metrics_);
    pipeline->Start();
    return pipeline;
  }

  MetricsRegistry metrics_;
  ManualExecutor executor_;
  PriorityExecutor cpu_stage_{executor_};
  ModelSet models_;
};

TEST_F(ModelSetTest, FindsByNameAndNamesTheModels) {
  ASSERT_THAT(models_.Add(MakePipeline("first")), IsOk());
  ASSERT_THAT(models_.Add(MakePipeline("other")), IsOk());
  EXPECT_THAT(models_.Add(MakePipeline("other")),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ((*models_.Find(""))->info().name, "first");
  EXPECT_EQ((*models_.Find("other"))->info().name, "other");
  EXPECT_THAT(models_.Find("x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("first, other")));
}

TEST_F(ModelSetTest, RequestsEndWithTheModelTheyBeganWith) {
  ASSERT_THAT(models_.Add(MakePipeline("m", 64)), IsOk());
  auto found = models_.Find("m");
  ASSERT_THAT(found, IsOk());
  absl::Notification answered;
  size_t dimension = 0;
  (*found)->Vectorize({{Modality::kText, "red circle", "inputs[0].text"}},
                      Priority::kInteractive, {},
                      [&](ModelPipeline::Result result) {
                        if (result.ok()) {
                          dimension = result->front().embedding.size();
                        }
                        answered.Notify();
                      });
  std::vector<std::unique_ptr<ModelPipeline>> next;
  next.push_back(MakePipeline("m", 32));
  models_.Replace(std::move(next));
  EXPECT_EQ((*models_.Find("m"))->info().dimension, 32);
  // Only the request holds the old model now, until its own thread answers.
  found = absl::UnknownError("let go");
  executor_.RunAll();
  answered.WaitForNotification();
  EXPECT_EQ(dimension, 64u);
}

}  // namespace
}  // namespace diptych::inference
