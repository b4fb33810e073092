#include "inference/selftest/published_values.h"

namespace diptych::inference {
namespace {

constexpr char kTransformersClip[] =
    "huggingface/transformers, tests/models/clip/test_modeling_clip.py";
constexpr char kTransformersSiglip[] =
    "huggingface/transformers, tests/models/siglip/test_modeling_siglip.py";
constexpr char kSiglipTokenizer[] =
    "huggingface/transformers, tests/models/siglip/test_tokenization_siglip.py";
constexpr char kOpenAiReadme[] = "openai/CLIP, README.md";
constexpr char kClipJsReadme[] = "josephrocca/openai-clip-js, README.md";
constexpr char kChineseClipReadme[] = "OFA-Sys/Chinese-CLIP, README.md";
constexpr char kSentenceTransformersDocs[] =
    "sentence-transformers, documentation, quickstart";

// COCO 2017 validation, picture 39769: two cats on a sofa.
const std::vector<std::string> kCats = {
    "000000039769.jpg", "coco_000000039769.jpg", "coco_000000039769.png"};

PublishedModel ClipB32() {
  PublishedModel model;
  model.name = "openai/clip-vit-base-patch32";
  model.family = "clip";
  model.dimension = 512;
  model.text_layers = 12;
  model.text_width = 512;
  model.vocabulary = 49408;
  model.image_layers = 12;
  model.image_width = 768;
  model.image_size = 224;
  model.patch_size = 32;
  model.activation = Activation::kQuickGelu;
  model.values = {
      {.source = kTransformersClip,
       .tokens = PublishedTokens{"a photo of a cat",
                                 {49406, 320, 1125, 539, 320, 2368, 49407}}},
      {.source = kTransformersClip,
       .tokens = PublishedTokens{"a photo of a dog",
                                 {49406, 320, 1125, 539, 320, 1929, 49407}}},
      {.source = kClipJsReadme,
       .embedding =
           PublishedEmbedding{
               .text = "a portrait of an astronaut with the American flag",
               .first = {-0.1665f,  0.05167f,  -0.1532f,  0.44922f,
                         0.20642f,  -0.29565f, 0.04041f,  -0.41064f,
                         -0.15015f, 0.31934f,  -0.06842f, -0.25464f,
                         0.12311f,  -0.09509f, 0.24109f,  -0.04883f,
                         0.26074f,  0.00045f,  0.20972f,  0.36987f}}},
      {.source = kTransformersClip,
       .scores = PublishedScores{kCats,
                                 {"a photo of a cat", "a photo of a dog"},
                                 PublishedScores::Kind::kLogits,
                                 {24.5701, 19.3049},
                                 1e-2}},
      {.source = kOpenAiReadme,
       .scores = PublishedScores{{"CLIP.png", "openai_CLIP.png"},
                                 {"a diagram", "a dog", "a cat"},
                                 PublishedScores::Kind::kProbabilities,
                                 {0.9927937, 0.00421068, 0.00299572},
                                 1e-3}},
  };
  return model;
}

PublishedModel SiglipB16() {
  PublishedModel model;
  model.name = "google/siglip-base-patch16-224";
  model.family = "siglip";
  model.dimension = 768;
  model.text_layers = 12;
  model.text_width = 768;
  model.vocabulary = 32000;
  model.image_layers = 12;
  model.image_width = 768;
  model.image_size = 224;
  model.patch_size = 16;
  model.activation = Activation::kGeluTanh;
  model.values = {
      {.source = kSiglipTokenizer,
       .tokens =
           PublishedTokens{"the real mountain view", {260, 638, 3293, 870, 1}}},
      {.source = kSiglipTokenizer,
       .tokens = PublishedTokens{"Z\u00fcrich", {262, 761, 5879, 5345, 1}}},
      {.source = kSiglipTokenizer,
       .tokens =
           PublishedTokens{"San Francisco", {262, 264, 452, 20563, 15949, 1}}},
      {.source = kTransformersSiglip,
       .scores = PublishedScores{kCats,
                                 {"a photo of 2 cats", "a photo of 2 dogs"},
                                 PublishedScores::Kind::kLogits,
                                 {-0.7567, -10.3354},
                                 1e-2}},
  };
  return model;
}

PublishedModel ChineseClipB16() {
  PublishedModel model;
  model.name = "OFA-Sys/chinese-clip-vit-base-patch16";
  model.family = "chinese-clip";
  model.dimension = 512;
  model.text_layers = 12;
  model.text_width = 768;
  model.vocabulary = 21128;
  model.image_layers = 12;
  model.image_width = 768;
  model.image_size = 224;
  model.patch_size = 16;
  model.values = {
      // "Squirtle", "Bulbasaur", "Charmander", "Pikachu".
      {.source = kChineseClipReadme,
       .scores =
           PublishedScores{
               {"pokemon.jpeg", "chineseclip_pokemon.jpeg"},
               {"\u6770\u5c3c\u9f9f", "\u5999\u86d9\u79cd\u5b50",
                "\u5c0f\u706b\u9f99", "\u76ae\u5361\u4e18"},
               PublishedScores::Kind::kProbabilities,
               {1.268734e-03, 5.436878e-02, 6.795761e-04, 9.436829e-01},
               5e-3}},
  };
  return model;
}

PublishedModel MiniLmL6() {
  PublishedModel model;
  model.name = "sentence-transformers/all-MiniLM-L6-v2";
  model.family = "bert";
  model.dimension = 384;
  model.text_layers = 6;
  model.text_width = 384;
  model.vocabulary = 30522;
  model.values = {
      {.source = kSentenceTransformersDocs,
       .similarities =
           PublishedSimilarities{
               {"The weather is lovely today.", "It's so sunny outside!",
                "He drove to the stadium."},
               {1.0000, 0.6660, 0.1046, 0.6660, 1.0000, 0.1411, 0.1046, 0.1411,
                1.0000},
               1e-3}},
  };
  return model;
}

}  // namespace

bool PublishedModel::Fits(const ModelDescription& model) const {
  const bool text = text_layers > 0;
  const bool image = image_layers > 0;
  if (model.family != family || model.dimension() != dimension ||
      model.text.has_value() != text || model.image.has_value() != image) {
    return false;
  }
  if (text) {
    const TextTowerConfig& tower = model.text->tower;
    if (tower.transformer.layers != text_layers ||
        tower.transformer.hidden_size != text_width ||
        tower.vocabulary_size != vocabulary) {
      return false;
    }
  }
  if (image) {
    const ImageTowerConfig& tower = model.image->tower;
    if (tower.transformer.layers != image_layers ||
        tower.transformer.hidden_size != image_width ||
        tower.image_size != image_size || tower.patch_size != patch_size) {
      return false;
    }
  }
  return activation == (text ? model.text->tower.transformer.activation
                             : model.image->tower.transformer.activation);
}

const std::vector<PublishedModel>& PublishedModels() {
  static const auto* const models = new std::vector<PublishedModel>{
      ClipB32(), SiglipB16(), ChineseClipB16(), MiniLmL6()};
  return *models;
}

}  // namespace diptych::inference
