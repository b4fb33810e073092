// Figures that the authors of models published about them: what a checkpoint
// must give when everything between its files and its vectors is right.
//
// Operation: a table; a model is recognised by its family and its sizes,
// because directories do not say whose weights they hold.
// Concurrency: constants.
// Limits: figures for models whose files this service reads. Pictures are named
// by where they are published; they are not part of this program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/model/model_description.h"

namespace diptych::inference {

// Token ids of a text as the model's own tokeniser gives them, those of begin
// and end among them.
struct PublishedTokens {
  std::string text;
  std::vector<int32_t> ids;
};

// The first components of a text's embedding. Its length is not compared.
struct PublishedEmbedding {
  std::string text;
  std::vector<float> first;
  // Their cosine is at least that. Published ones are often of half precision.
  double cosine_min = 0.999;
};

// Cosines of texts with each other, row by row.
struct PublishedSimilarities {
  std::vector<std::string> texts;
  std::vector<double> cosines;
  double tolerance = 1e-3;
};

// What a picture gives with each of the texts.
struct PublishedScores {
  enum class Kind {
    // exp(logit_scale) * cosine + logit_bias, if there is a bias.
    kLogits,
    // The softmax of these.
    kProbabilities,
  };
  // Names that the picture's file may have, the published one first.
  std::vector<std::string> images;
  std::vector<std::string> texts;
  Kind kind = Kind::kLogits;
  std::vector<double> values;
  double tolerance = 1e-2;
};

struct PublishedValue {
  std::string source = {};
  std::optional<PublishedTokens> tokens = {};
  std::optional<PublishedEmbedding> embedding = {};
  std::optional<PublishedSimilarities> similarities = {};
  std::optional<PublishedScores> scores = {};
};

struct PublishedModel {
  // "openai/clip-vit-base-patch32".
  std::string name;
  // ModelDescription::family.
  std::string family;
  int dimension = 0;
  // Sizes of the towers; 0 for one that the model does not have.
  int text_layers = 0;
  int text_width = 0;
  int vocabulary = 0;
  int image_layers = 0;
  int image_width = 0;
  int image_size = 0;
  int patch_size = 0;
  // Of the first tower there is, text before image.
  Activation activation = Activation::kGelu;
  std::vector<PublishedValue> values = {};

  bool Fits(const ModelDescription& model) const;
};

// All that are known.
const std::vector<PublishedModel>& PublishedModels();

}  // namespace diptych::inference
