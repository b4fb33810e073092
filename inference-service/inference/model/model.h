// A loaded model: its towers and what prepares their input.
//
// Operation: made by LoadModel (inference/torch/model_loader.h) from a
// directory, or by MakeFakeModel (fake_model.h). Concurrency: all parts may be
// used from any thread, in parallel.
#pragma once

#include <memory>

#include "inference/image/image_preprocessor.h"
#include "inference/model/encoder.h"
#include "inference/text/tokenizer.h"

namespace diptych::inference {

struct Model {
  // Never null.
  std::unique_ptr<const Encoder> encoder;
  // Null when the model embeds no texts.
  std::unique_ptr<const Tokenizer> tokenizer;
  // Null when the model embeds no images.
  std::unique_ptr<const ImagePreprocessor> image_preprocessor;

  const ModelInfo& info() const { return encoder->info(); }
};

}  // namespace diptych::inference
