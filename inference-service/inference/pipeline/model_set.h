// The models that a service holds, by name; they can be exchanged while it
// serves.
//
// Operation: filled at start, then only read, until Replace puts other models
// in place of all. The first model is the default. Whoever found a pipeline
// keeps it until it lets go, so a request is answered by the model that it
// began with. A pipeline that nobody holds any more is ended and destroyed on a
// thread of this object, because the last one to let go may be the pipeline's
// own thread.
// Concurrency: every method may be called from any thread.
// Limits: each model holds its weights in memory, those that are replaced until
// their last request is answered.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "inference/pipeline/model_pipeline.h"

namespace diptych::inference {

class ModelSet {
 public:
  using Pipelines = std::vector<std::shared_ptr<ModelPipeline>>;

  ModelSet();
  // Ends all pipelines; nobody else may hold one any more.
  ~ModelSet();
  ModelSet(const ModelSet&) = delete;
  ModelSet& operator=(const ModelSet&) = delete;

  // ALREADY_EXISTS when a model of that name is there.
  absl::Status Add(std::unique_ptr<ModelPipeline> pipeline);

  // Puts `pipelines`, whose names differ, in place of all.
  void Replace(std::vector<std::unique_ptr<ModelPipeline>> pipelines);

  // The default model for the empty name; NOT_FOUND, with the names that exist
  // and google.rpc.ResourceInfo, when there is no such model.
  absl::StatusOr<std::shared_ptr<ModelPipeline>> Find(
      absl::string_view name) const;

  // The default one first.
  Pipelines all() const;

 private:
  std::shared_ptr<ModelPipeline> Share(std::unique_ptr<ModelPipeline> pipeline);
  void Retire(ModelPipeline* pipeline);
  void DestroyRetired();

  mutable absl::Mutex mutex_;
  Pipelines pipelines_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex retired_mutex_;
  std::vector<std::unique_ptr<ModelPipeline>> retired_
      ABSL_GUARDED_BY(retired_mutex_);
  // Pipelines that were shared and are not yet destroyed.
  int alive_ ABSL_GUARDED_BY(retired_mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(retired_mutex_) = false;
  std::thread destroyer_;
};

}  // namespace diptych::inference
