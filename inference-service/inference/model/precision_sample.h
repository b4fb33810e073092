// Inputs on which precisions are compared.
//
// Operation: texts of different lengths and languages, pictures of waves of all
// sizes with shapes before them; the same every time. Concurrency: a free
// function. Limits: kSampleImages pictures and some ten texts.
#pragma once

#include <vector>

#include "inference/text/tokenizer.h"
#include "inference/types/image.h"
#include "inference/types/token_ids.h"

namespace diptych::inference {

constexpr int kSampleImages = 6;

struct PrecisionSample {
  std::vector<TokenIds> texts;
  std::vector<Image> images;
};

// Without `tokenizer` no texts, with an `image_size` of 0 no images.
PrecisionSample MakePrecisionSample(const Tokenizer* tokenizer, int image_size);

}  // namespace diptych::inference
