#include "inference/torch/model_loader.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/image/clip_preprocessor.h"
#include "inference/model/model_description.h"
#include "inference/model/model_fingerprint.h"
#include "inference/text/tokenizer_loader.h"
#include "inference/torch/tower_encoder.h"

namespace diptych::inference {
namespace {

absl::StatusOr<Model> LoadParts(const std::string& path,
                                const LoadModelOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(ModelDescription description, DescribeModel(path));
  Model model;
  if (description.text.has_value()) {
    TextTowerConfig& tower = description.text->tower;
    DIPTYCH_ASSIGN_OR_RETURN(
        model.tokenizer,
        LoadTokenizer(description.text->tokenizer_folder,
                      {tower.context_length, tower.vocabulary_size}));
    tower.context_length = model.tokenizer->context_length();
    if (tower.padding_id.has_value()) {
      tower.padding_id = model.tokenizer->pad_id();
    }
  }
  if (description.image.has_value()) {
    model.image_preprocessor =
        std::make_unique<ClipPreprocessor>(description.image->preprocessor);
  }
  ModelInfo info;
  info.name = options.name;
  if (info.name.empty()) {
    info.name = std::filesystem::weakly_canonical(path).filename().string();
  }
  info.revision = description.revision;
  if (options.normalization == Normalization::kAsWeaviate) {
    info.normalizes_texts =
        !description.text.has_value() || description.text->weaviate_normalizes;
    info.normalizes_images = !description.image.has_value() ||
                             description.image->weaviate_normalizes;
  }
  DIPTYCH_ASSIGN_OR_RETURN(info.fingerprint,
                           FingerprintOfFiles(description.WeightPaths()));
  DIPTYCH_ASSIGN_OR_RETURN(
      model.encoder,
      LoadTowerEncoder(description, {options.device, options.threads},
                       std::move(info)));
  return model;
}

}  // namespace

absl::StatusOr<Model> LoadModel(const std::string& directories,
                                const LoadModelOptions& options) {
  auto model = LoadParts(directories, options);
  if (!model.ok()) {
    return Annotate(model.status(),
                    absl::StrCat("model directory ", directories));
  }
  return model;
}

}  // namespace diptych::inference
