#include "inference/torch/model_loader.h"

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/observability/logging.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/image/clip_preprocessor.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/product_speed.h"
#include "inference/model/model_description.h"
#include "inference/model/model_fingerprint.h"
#include "inference/model/precision_sample.h"
#include "inference/text/tokenizer_loader.h"
#include "inference/torch/tower_encoder.h"

namespace diptych::inference {
namespace {

std::vector<PrecisionSpeed> MeasureSpeeds() {
  std::vector<PrecisionSpeed> speeds;
  const KernelLevel level = BestKernelLevel();
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (HasPrecision(level, precision)) {
      speeds.push_back({precision, MeasureProductSpeed(level, precision)});
    }
  }
  return speeds;
}

absl::StatusOr<std::unique_ptr<const Encoder>> LoadEncoder(
    const ModelDescription& description, const Tokenizer* tokenizer,
    const LoadModelOptions& options, ModelInfo info) {
  TowerEncoderOptions tower;
  tower.device = options.device;
  tower.threads = options.threads;
  tower.precision = options.precision;
  DIPTYCH_ASSIGN_OR_RETURN(const bool cpu, MeansCpu(options.device));
  if (!cpu) return LoadTowerEncoder(description, tower, std::move(info));
  const int image_size =
      description.image.has_value() ? description.image->tower.image_size : 0;
  DIPTYCH_ASSIGN_OR_RETURN(
      PrecisionChoice choice,
      ChoosePrecision(options.precision, MeasureSpeeds(),
                      MakePrecisionSample(tokenizer, image_size),
                      [&](Precision precision) {
                        tower.precision = precision;
                        return LoadTowerEncoder(description, tower, info);
                      }));
  const std::initializer_list<LogField> fields = {
      {"model", info.name},
      {"precision", PrecisionName(choice.precision)},
      {"least_cosine", choice.least_cosine},
      {"instructions", KernelLevelName(BestKernelLevel())},
      {"reason", choice.reason}};
  if (choice.least_cosine < kPrecisionCosineMin) {
    LogWarning("the precision changes embeddings more than auto would allow",
               fields);
  } else {
    LogInfo("precision chosen", fields);
  }
  return std::move(choice.encoder);
}

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
      model.encoder, LoadEncoder(description, model.tokenizer.get(), options,
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
