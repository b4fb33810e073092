// What a loaded model is and takes: the facts behind GetModel and ListModels.
#pragma once

#include <string>

namespace diptych::inference {

struct ModelInfo {
  // The name that requests use, e.g. "demo".
  std::string name;
  // The repository revision the directory was downloaded from, or "" when the
  // directory does not say.
  std::string revision;
  // Model family, e.g. "clip".
  std::string family;
  // Elements of one embedding. Every row that the encoder returns has as many.
  int dimension = 0;
  // Modalities: at least one of them is true.
  bool has_text = false;
  bool has_image = false;
  // Tokens that the text tower reads, begin and end tokens included; 0 without
  // a text tower.
  int context_length = 0;
  // Width and height in pixels that the image tower reads; 0 without one.
  int image_size = 0;
  // Embeddings have length 1; else they are as long as the towers make them.
  bool normalizes_texts = true;
  bool normalizes_images = true;
  // "cpu" or "cuda:N".
  std::string device;
  // Arithmetic of the encoder's products: "float32", "float16", "bfloat16" or
  // "int8" (types/precision.h).
  std::string dtype;
  // SHA-256 in lower-case hexadecimal over the weight files (defined in
  // inference/model/model_fingerprint.h). Vectors of models with different
  // fingerprints must not be compared.
  std::string fingerprint;

  // Every embedding of this model has length 1.
  bool normalized() const {
    return (!has_text || normalizes_texts) && (!has_image || normalizes_images);
  }
};

}  // namespace diptych::inference
