#include "inference/pipeline/model_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error_details.h"

namespace diptych::inference {

ModelSet::ModelSet() : destroyer_([this] { DestroyRetired(); }) {}

ModelSet::~ModelSet() {
  {
    Pipelines last;
    absl::MutexLock lock(&mutex_);
    last.swap(pipelines_);
  }
  {
    absl::MutexLock lock(&retired_mutex_);
    ending_ = true;
  }
  destroyer_.join();
}

std::shared_ptr<ModelPipeline> ModelSet::Share(
    std::unique_ptr<ModelPipeline> pipeline) {
  {
    absl::MutexLock lock(&retired_mutex_);
    ++alive_;
  }
  return std::shared_ptr<ModelPipeline>(
      pipeline.release(), [this](ModelPipeline* last) { Retire(last); });
}

void ModelSet::Retire(ModelPipeline* pipeline) {
  absl::MutexLock lock(&retired_mutex_);
  retired_.emplace_back(pipeline);
}

void ModelSet::DestroyRetired() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(retired_mutex_) {
    return !retired_.empty() || (ending_ && alive_ == 0);
  };
  while (true) {
    std::vector<std::unique_ptr<ModelPipeline>> retired;
    {
      absl::MutexLock lock(&retired_mutex_, absl::Condition(&due));
      if (retired_.empty()) return;
      retired.swap(retired_);
      alive_ -= static_cast<int>(retired.size());
    }
  }
}

absl::Status ModelSet::Add(std::unique_ptr<ModelPipeline> pipeline) {
  const std::string name = pipeline->info().name;
  std::shared_ptr<ModelPipeline> shared = Share(std::move(pipeline));
  absl::MutexLock lock(&mutex_);
  for (const auto& other : pipelines_) {
    if (other->info().name == name) {
      return ResourceExists(
          "model", name,
          absl::StrCat("two models have the same name; give each its own: ",
                       name));
    }
  }
  pipelines_.push_back(std::move(shared));
  return absl::OkStatus();
}

void ModelSet::Replace(std::vector<std::unique_ptr<ModelPipeline>> pipelines) {
  Pipelines shared;
  for (auto& pipeline : pipelines) {
    shared.push_back(Share(std::move(pipeline)));
  }
  absl::MutexLock lock(&mutex_);
  pipelines_.swap(shared);
}

absl::StatusOr<std::shared_ptr<ModelPipeline>> ModelSet::Find(
    absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& pipeline : pipelines_) {
    if (name.empty() || pipeline->info().name == name) return pipeline;
  }
  const std::string names = absl::StrJoin(
      pipelines_, ", ", [](std::string* out, const auto& pipeline) {
        absl::StrAppend(out, pipeline->info().name);
      });
  return ResourceNotFound(
      "model", name,
      absl::StrCat("no such model; the models are ", names,
                   "; an empty name gives the first; given: ", name));
}

ModelSet::Pipelines ModelSet::all() const {
  absl::MutexLock lock(&mutex_);
  return pipelines_;
}

}  // namespace diptych::inference
