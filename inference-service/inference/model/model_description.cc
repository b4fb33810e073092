#include "inference/model/model_description.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/image/clip_preprocessor.h"
#include "inference/model/config_reader.h"
#include "inference/model/family_configs.h"
#include "inference/model/model_directory.h"
#include "inference/model/sentence_transformers.h"

namespace diptych::inference {
namespace {

constexpr char kSiglip[] = "siglip";

absl::StatusOr<PreprocessorConfig> ReadPreprocessor(const ModelDirectory& files,
                                                    const std::string& family,
                                                    int image_size) {
  PreprocessorConfig config =
      family == kSiglip ? SiglipDefaults(image_size) : ClipDefaults(image_size);
  DIPTYCH_ASSIGN_OR_RETURN(const auto old,
                           files.Read("preprocessor_config.json"));
  if (old.has_value()) return ParsePreprocessorConfig(*old, config);
  DIPTYCH_ASSIGN_OR_RETURN(const auto json,
                           files.Read("processor_config.json"));
  if (json.has_value()) return ParseProcessorConfig(*json, config);
  return config;
}

absl::Status CheckImageSize(const ImagePart& part) {
  const ClipPreprocessor result(part.preprocessor);
  const int size = part.tower.image_size;
  if (result.output_width() == size && result.output_height() == size) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "preprocessor_config.json makes pictures of ", result.output_width(), "x",
      result.output_height(),
      " pixels, but the \"image_size\" of the image tower is ", size));
}

void SetWeaviateNormalizes(bool value, ModelDescription& model) {
  if (model.text.has_value()) model.text->weaviate_normalizes = value;
  if (model.image.has_value()) model.image->weaviate_normalizes = value;
}

ModelDescription Describe(TowersConfig towers,
                          const std::vector<std::string>& weights,
                          const ModelDirectory& files) {
  ModelDescription model;
  model.family = towers.family;
  if (towers.text.has_value()) {
    model.text = TextPart{
        *std::move(towers.text), {{weights, ""}}, files.path(), towers.family};
  }
  if (towers.image.has_value()) {
    model.image = ImagePart{*std::move(towers.image), {{weights, ""}}, {}};
  }
  return model;
}

absl::StatusOr<ModelDescription> DescribeTransformers(
    const ModelDirectory& files) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string config,
                           files.ReadNeeded("config.json"));
  DIPTYCH_ASSIGN_OR_RETURN(TowersConfig towers, ParseModelConfig(config));
  DIPTYCH_ASSIGN_OR_RETURN(const auto weights, files.FindWeights());
  ModelDescription model = Describe(std::move(towers), weights, files);
  if (model.image.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        model.image->preprocessor,
        ReadPreprocessor(files, model.family, model.image->tower.image_size));
    DIPTYCH_RETURN_IF_ERROR(CheckImageSize(*model.image));
  }
  SetWeaviateNormalizes(model.family != kSiglip, model);
  return model;
}

absl::StatusOr<ModelDescription> DescribeOpenClip(const ModelDirectory& files) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string json,
                           files.ReadNeeded("open_clip_config.json"));
  DIPTYCH_ASSIGN_OR_RETURN(OpenClipConfig config, ParseOpenClipConfig(json));
  DIPTYCH_ASSIGN_OR_RETURN(const auto weights, files.FindOpenClipWeights());
  ModelDescription model = Describe(std::move(config.towers), weights, files);
  model.image->preprocessor = config.preprocessor;
  return model;
}

absl::Status CheckPrompts(const ModelDirectory& files) {
  constexpr char kFile[] = "config_sentence_transformers.json";
  DIPTYCH_ASSIGN_OR_RETURN(const auto json, files.Read(kFile));
  if (!json.has_value()) return absl::OkStatus();
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader config,
                           ConfigReader::Parse(*json, kFile));
  if (!config.Has("default_prompt_name")) return absl::OkStatus();
  return config.Bad("default_prompt_name",
                    "null: words put before every text are not known");
}

absl::Status ApplySentenceConfig(const ModelDirectory& files,
                                 TextTowerConfig& tower) {
  constexpr char kFile[] = "sentence_bert_config.json";
  DIPTYCH_ASSIGN_OR_RETURN(const auto json, files.Read(kFile));
  if (!json.has_value()) return absl::OkStatus();
  DIPTYCH_ASSIGN_OR_RETURN(const ConfigReader config,
                           ConfigReader::Parse(*json, kFile));
  int length = tower.context_length;
  DIPTYCH_RETURN_IF_ERROR(config.Integer("max_seq_length", 2, 1 << 20, length));
  tower.context_length = std::min(tower.context_length, length);
  return absl::OkStatus();
}

absl::StatusOr<ModelDescription> DescribeSentenceTransformers(
    const ModelDirectory& root) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string json,
                           root.ReadNeeded("modules.json"));
  DIPTYCH_ASSIGN_OR_RETURN(const auto modules, ParseSentenceModules(json));
  DIPTYCH_ASSIGN_OR_RETURN(const ModelDirectory files,
                           root.Subdirectory(modules[0].path));
  DIPTYCH_ASSIGN_OR_RETURN(ModelDescription model, DescribeTransformers(files));
  const bool normalizes = std::any_of(
      modules.begin(), modules.end(), [](const SentenceModule& module) {
        return module.type == SentenceModule::Type::kNormalize;
      });
  SetWeaviateNormalizes(normalizes, model);
  if (modules[0].type == SentenceModule::Type::kClip) return model;
  if (!model.text.has_value() || model.image.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "modules.json: a Transformer around model family ", model.family,
        " is not known; known are bert, distilbert, roberta and xlm-roberta"));
  }
  DIPTYCH_RETURN_IF_ERROR(CheckPrompts(root));
  TextTowerConfig& tower = model.text->tower;
  DIPTYCH_RETURN_IF_ERROR(ApplySentenceConfig(files, tower));
  for (const SentenceModule& module : modules) {
    if (module.type != SentenceModule::Type::kPooling &&
        module.type != SentenceModule::Type::kDense) {
      continue;
    }
    DIPTYCH_ASSIGN_OR_RETURN(const ModelDirectory folder,
                             root.Subdirectory(module.path));
    DIPTYCH_ASSIGN_OR_RETURN(const std::string config,
                             folder.ReadNeeded("config.json"));
    if (module.type == SentenceModule::Type::kPooling) {
      DIPTYCH_RETURN_IF_ERROR(ApplyPooling(config, tower));
      continue;
    }
    const std::string mount = absl::StrCat(module.path, "/");
    DIPTYCH_RETURN_IF_ERROR(ApplyDense(config, mount, tower));
    DIPTYCH_ASSIGN_OR_RETURN(const auto weights, folder.FindWeights());
    model.text->weights.push_back({weights, mount});
  }
  return model;
}

absl::StatusOr<ModelDescription> DescribeDirectory(const std::string& path) {
  DIPTYCH_ASSIGN_OR_RETURN(const ModelDirectory files,
                           ModelDirectory::Open(path));
  absl::StatusOr<ModelDescription> model;
  if (files.Has("modules.json")) {
    model = DescribeSentenceTransformers(files);
  } else if (files.Has("open_clip_config.json") &&
             !DescribeTransformers(files).ok()) {
    model = DescribeOpenClip(files);
  } else if (files.Has("config.json")) {
    model = DescribeTransformers(files);
  } else {
    return absl::NotFoundError(
        "config.json is missing, and so are open_clip_config.json and "
        "modules.json; one of them says what the model is");
  }
  if (model.ok()) model->revision = files.Revision();
  return model;
}

absl::StatusOr<ModelDescription> DescribePair(const std::string& image_path,
                                              const std::string& text_path) {
  auto image = DescribeDirectory(image_path);
  if (!image.ok()) return Annotate(image.status(), image_path);
  auto text = DescribeDirectory(text_path);
  if (!text.ok()) return Annotate(text.status(), text_path);
  if (!image->image.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        image_path, " has no image tower, which the first of a pair gives"));
  }
  if (!text->text.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        text_path, " has no text tower, which the second of a pair gives"));
  }
  ModelDescription pair;
  pair.family = absl::StrCat(image->family, "+", text->family);
  if (!image->revision.empty() && !text->revision.empty()) {
    pair.revision = absl::StrCat(image->revision, "+", text->revision);
  }
  pair.image = std::move(image->image);
  pair.text = std::move(text->text);
  return pair;
}

absl::Status CheckDimensions(const ModelDescription& model) {
  if (!model.text.has_value() || !model.image.has_value()) {
    return absl::OkStatus();
  }
  const int text =
      DimensionOf(model.text->tower.transformer, model.text->tower.head);
  const int image =
      DimensionOf(model.image->tower.transformer, model.image->tower.head);
  if (text == image) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the text tower embeds into ", text, " dimensions, the image tower into ",
      image, "; they do not belong together"));
}

}  // namespace

int ModelDescription::dimension() const {
  return text.has_value()
             ? DimensionOf(text->tower.transformer, text->tower.head)
             : DimensionOf(image->tower.transformer, image->tower.head);
}

std::vector<std::string> ModelDescription::WeightPaths() const {
  std::vector<std::string> paths;
  const auto add = [&](const std::vector<WeightFiles>& folders) {
    for (const WeightFiles& files : folders) {
      for (const std::string& path : files.paths) {
        if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
          paths.push_back(path);
        }
      }
    }
  };
  if (image.has_value()) add(image->weights);
  if (text.has_value()) add(text->weights);
  return paths;
}

absl::StatusOr<ModelDescription> DescribeModel(const std::string& directories) {
  const auto is_directory = [](const std::string& path) {
    std::error_code error;
    return std::filesystem::is_directory(path, error);
  };
  const auto describe = [&]() -> absl::StatusOr<ModelDescription> {
    if (!is_directory(directories)) {
      for (size_t plus = directories.find('+'); plus != std::string::npos;
           plus = directories.find('+', plus + 1)) {
        const std::string image = directories.substr(0, plus);
        const std::string text = directories.substr(plus + 1);
        if (is_directory(image) && is_directory(text)) {
          return DescribePair(image, text);
        }
      }
    }
    return DescribeDirectory(directories);
  };
  DIPTYCH_ASSIGN_OR_RETURN(ModelDescription model, describe());
  DIPTYCH_RETURN_IF_ERROR(CheckDimensions(model));
  return model;
}

}  // namespace diptych::inference
