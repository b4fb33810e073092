// The models that a service holds, by name.
//
// Operation: filled at start, then only read. The first model is the default.
// Concurrency: Add by one thread before the others; the rest from any thread.
// Limits: none of its own; each model holds its weights in memory.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/pipeline/model_pipeline.h"

namespace diptych::inference {

class ModelSet {
 public:
  // ALREADY_EXISTS when a model of that name is there.
  absl::Status Add(std::unique_ptr<ModelPipeline> pipeline);

  // The default model for the empty name; NOT_FOUND, with the names that exist
  // and google.rpc.ResourceInfo, when there is no such model.
  absl::StatusOr<ModelPipeline*> Find(absl::string_view name) const;

  // The default one first.
  const std::vector<std::unique_ptr<ModelPipeline>>& all() const {
    return pipelines_;
  }

 private:
  std::vector<std::unique_ptr<ModelPipeline>> pipelines_;
};

}  // namespace diptych::inference
