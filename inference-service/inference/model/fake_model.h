// A model without weights, for everything above the encoders: deterministic, in
// a microsecond, without LibTorch.
//
// Operation: a text is the bag of its lower-cased words, each hashed to a
// direction; a picture is resized to image_size by nearest neighbour and is the
// mean colours of a grid, projected by fixed directions. So equal inputs have
// equal embeddings, texts that share words and pictures that look alike lie
// near one another, and nothing relates a text to a picture. Concurrency: as
// Model. Limits: as Encoder and Tokenizer. Never for real data.
#pragma once

#include <string>

#include "inference/model/model.h"

namespace diptych::inference {

struct FakeModelOptions {
  std::string name = "fake";
  int dimension = 64;
  int context_length = 32;
  int image_size = 16;
  // Else embeddings are as long as the sums of their directions.
  bool normalized = true;
};

Model MakeFakeModel(const FakeModelOptions& options = {});

}  // namespace diptych::inference
