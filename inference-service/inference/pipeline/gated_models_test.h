// Models for tests of what serves them: real pipelines whose encoder a test can
// hold.
//
// Operation: every model is a fake one behind a gate, which is open until a
// test closes it. Pictures are what `decode` makes of bytes.
// Concurrency: as ModelPipeline; a GatedEncoder's methods may be called from
// any thread. Open the gates and end what serves before the object goes.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/thread_pool.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/model/fake_model.h"
#include "inference/pipeline/model_set.h"

namespace diptych::inference {

class GatedEncoder final : public Encoder {
 public:
  explicit GatedEncoder(std::unique_ptr<const Encoder> encoder)
      : Encoder(encoder->info(), 1 << 20), encoder_(std::move(encoder)) {}

  void Close() {
    absl::MutexLock lock(&mutex_);
    open_ = false;
  }
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  // Waits until so many batches have come to the gate since the start.
  void AwaitBatches(int count) const {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return batches_ >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }
  int batches() const {
    absl::MutexLock lock(&mutex_);
    return batches_;
  }
  // That have come to the gate.
  int inputs() const {
    absl::MutexLock lock(&mutex_);
    return inputs_;
  }

 private:
  void Pass(size_t inputs) const {
    absl::MutexLock lock(&mutex_);
    ++batches_;
    inputs_ += static_cast<int>(inputs);
    mutex_.Await(absl::Condition(&open_));
  }
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const override {
    Pass(texts.size());
    return encoder_->EncodeTexts(texts);
  }
  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image> images) const override {
    Pass(images.size());
    return encoder_->EncodeImages(images);
  }

  const std::unique_ptr<const Encoder> encoder_;
  mutable absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  mutable int batches_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable int inputs_ ABSL_GUARDED_BY(mutex_) = 0;
};

class GatedModels {
 public:
  // `clock` outlives this; it is what tells whether an input's deadline is
  // over.
  GatedModels(const PipelineLimits& limits, int queue_max, ImageDecoder decode,
              Clock& clock = Clock::System())
      : limits_(limits),
        queue_max_(queue_max),
        decode_(std::move(decode)),
        clock_(clock) {}
  ~GatedModels() { EndPreparing(); }
  GatedModels(const GatedModels&) = delete;
  GatedModels& operator=(const GatedModels&) = delete;

  // The model's encoder; the first model is the default one.
  GatedEncoder& Add(const FakeModelOptions& options) {
    Model model = MakeFakeModel(options);
    auto gated = std::make_unique<GatedEncoder>(std::move(model.encoder));
    GatedEncoder& encoder = *gated;
    model.encoder = std::move(gated);
    auto pipeline = std::make_unique<ModelPipeline>(
        std::move(model), decode_, limits_,
        BatcherOptions{.rules = {}, .queue_max = queue_max_}, cpu_stage_,
        clock_, metrics_);
    pipeline->Start();
    EXPECT_THAT(models_.Add(std::move(pipeline)), IsOk());
    return encoder;
  }

  ModelSet& models() { return models_; }
  MetricsRegistry& metrics() { return metrics_; }

  // Waits until the metrics have `line`.
  void AwaitMetric(const std::string& line) const {
    while (metrics_.TextExposition().find(line + "\n") == std::string::npos) {
      std::this_thread::yield();
    }
  }

  // Runs what is being prepared to its end. May be called twice.
  void EndPreparing() { cpu_threads_.Shutdown(); }

 private:
  const PipelineLimits limits_;
  const int queue_max_;
  const ImageDecoder decode_;
  Clock& clock_;
  MetricsRegistry metrics_;
  ThreadPool cpu_threads_{{.name = "cpu", .threads = 2, .queue_max = 1000}};
  PriorityExecutor cpu_stage_{cpu_threads_};
  ModelSet models_;
};

}  // namespace diptych::inference
