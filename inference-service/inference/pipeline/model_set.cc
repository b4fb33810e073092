#include "inference/pipeline/model_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error_details.h"

namespace diptych::inference {

absl::Status ModelSet::Add(std::unique_ptr<ModelPipeline> pipeline) {
  const absl::string_view name = pipeline->info().name;
  for (const auto& other : pipelines_) {
    if (other->info().name == name) {
      return ResourceExists(
          "model", name,
          absl::StrCat("two models have the same name; give each its own: ",
                       name));
    }
  }
  pipelines_.push_back(std::move(pipeline));
  return absl::OkStatus();
}

absl::StatusOr<ModelPipeline*> ModelSet::Find(absl::string_view name) const {
  for (const auto& pipeline : pipelines_) {
    if (name.empty() || pipeline->info().name == name) return pipeline.get();
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

}  // namespace diptych::inference
