// What is in a model directory: towers, weights, preprocessing and the
// tokeniser's folder, without anything being loaded.
//
// Operation: the layout is recognised by its files. modules.json:
// sentence-transformers. open_clip_config.json: OpenCLIP, unless Hugging Face's
// config.json and weights are there too. config.json: Hugging Face's
// transformers, by its "model_type". Two directories make a pair: the image
// tower of the first and the text tower of the second.
// Concurrency: value types and a free function. Limits: those of the parsers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/image/preprocessor_config.h"
#include "inference/model/tensor_source.h"
#include "inference/model/tower_config.h"

namespace diptych::inference {

struct TextPart {
  // The tokeniser may say less for context_length, and another padding_id.
  TextTowerConfig tower;
  std::vector<WeightFiles> weights;
  // The folder of the tokeniser's files.
  std::string tokenizer_folder;
  // The tower's own family: "bert" in a pair "clip+bert".
  std::string family;
  // As Normalization::kAsWeaviate says.
  bool weaviate_normalizes = true;
};

struct ImagePart {
  ImageTowerConfig tower;
  std::vector<WeightFiles> weights;
  // Makes pictures of the tower's image_size.
  PreprocessorConfig preprocessor;
  // As Normalization::kAsWeaviate says.
  bool weaviate_normalizes = true;
};

struct ModelDescription {
  // "clip"; of a pair "clip+distilbert".
  std::string family;
  // The commit or commits, where the directories say.
  std::string revision;
  // At least one of them; both embed into as many dimensions.
  std::optional<TextPart> text;
  std::optional<ImagePart> image;

  int dimension() const;
  // Every weight file once, the image tower's first.
  std::vector<std::string> WeightPaths() const;
};

// `directories` is DIR, or IMAGE_DIR+TEXT_DIR for a pair (a directory whose
// name has a "+" is meant when it exists).
//
// NOT_FOUND         a directory or a file is missing
// INVALID_ARGUMENT  a file is malformed, of a kind that is not known, or
//                   contradicts another
// Messages are one line and name the file, of a pair the directory too.
absl::StatusOr<ModelDescription> DescribeModel(const std::string& directories);

}  // namespace diptych::inference
