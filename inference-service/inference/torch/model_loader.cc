#include "inference/torch/model_loader.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/image/clip_preprocessor.h"
#include "inference/image/preprocessor_config.h"
#include "inference/model/clip_config.h"
#include "inference/model/model_directory.h"
#include "inference/model/model_fingerprint.h"
#include "inference/text/bpe_vocabulary.h"
#include "inference/text/clip_tokenizer.h"
#include "inference/torch/clip_encoder.h"
#include "inference/weights/weights.h"

namespace diptych::inference {
namespace {

absl::StatusOr<std::unique_ptr<const Tokenizer>> LoadTokenizer(
    const ModelDirectory& files, const ClipTextConfig& config) {
  absl::StatusOr<BpeVocabulary> vocabulary = absl::NotFoundError(
      "tokenizer.json is missing, and so is vocab.json or "
      "merges.txt; either will do");
  if (files.tokenizer.has_value()) {
    vocabulary = ParseTokenizerJson(*files.tokenizer);
  } else if (files.vocabulary.has_value() && files.merges.has_value()) {
    vocabulary = ParseVocabularyFiles(*files.vocabulary, *files.merges);
  }
  if (!vocabulary.ok()) return vocabulary.status();
  for (const auto& [token, id] : vocabulary->ids) {
    if (id >= config.vocabulary_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the tokeniser has ids outside the ", config.vocabulary_size,
          " of config.json's \"vocab_size\": ", id));
    }
  }
  int context_length = config.max_position_embeddings;
  if (files.tokenizer_config.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(const auto max_length,
                             ParseModelMaxLength(*files.tokenizer_config));
    context_length =
        std::min(context_length, max_length.value_or(context_length));
  }
  return ClipTokenizer::Create(*std::move(vocabulary), context_length);
}

// The defaults of CLIPImageProcessor do not know the model's size; without a
// file the towers' own size is the only one that can be meant.
absl::StatusOr<PreprocessorConfig> LoadPreprocessor(
    const ModelDirectory& files, const ClipVisionConfig& config) {
  PreprocessorConfig preprocessor;
  preprocessor.shortest_edge = config.image_size;
  preprocessor.crop_width = preprocessor.crop_height = config.image_size;
  if (files.preprocessor_config.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        preprocessor, ParsePreprocessorConfig(*files.preprocessor_config));
  }
  const ClipPreprocessor result(preprocessor);
  if (result.output_width() != config.image_size ||
      result.output_height() != config.image_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("preprocessor_config.json makes pictures of ",
                     result.output_width(), "x", result.output_height(),
                     " pixels, but config.json's "
                     "\"image_size\" is ",
                     config.image_size));
  }
  return preprocessor;
}

absl::StatusOr<Model> LoadParts(const std::string& path,
                                const LoadModelOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(const ModelDirectory files,
                           ReadModelDirectory(path));
  DIPTYCH_ASSIGN_OR_RETURN(const ClipConfig config,
                           ParseClipConfig(files.config));
  Model model;
  PreprocessorConfig preprocessor;
  if (config.text.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(model.tokenizer,
                             LoadTokenizer(files, *config.text));
  }
  if (config.vision.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(preprocessor,
                             LoadPreprocessor(files, *config.vision));
    model.image_preprocessor = std::make_unique<ClipPreprocessor>(preprocessor);
  }
  DIPTYCH_ASSIGN_OR_RETURN(const Weights weights,
                           Weights::Open(files.weight_files));
  ModelInfo info;
  info.name = options.name;
  if (info.name.empty()) {
    info.name = std::filesystem::weakly_canonical(path).filename().string();
  }
  info.revision = files.revision;
  DIPTYCH_ASSIGN_OR_RETURN(info.fingerprint,
                           FingerprintOfFiles(files.weight_files));
  DIPTYCH_ASSIGN_OR_RETURN(
      model.encoder,
      LoadClipEncoder(config, preprocessor, weights,
                      {options.device, options.threads}, std::move(info)));
  return model;
}

}  // namespace

absl::StatusOr<Model> LoadModel(const std::string& directory,
                                const LoadModelOptions& options) {
  auto model = LoadParts(directory, options);
  if (!model.ok()) {
    return Annotate(model.status(),
                    absl::StrCat("model directory ", directory));
  }
  return model;
}

}  // namespace diptych::inference
