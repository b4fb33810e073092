// A decoded picture to the pixels that an image tower reads.
//
// Operation: resizes and crops; rescaling to floats and normalising by mean and
// deviation are the encoder's, so that a picture travels as bytes.
// Concurrency: Preprocess may be called from any thread, in parallel.
// Limits: the decoder bounds the input; the output has the model's size.
#pragma once

#include "absl/status/statusor.h"
#include "inference/types/image.h"

namespace diptych::inference {

class ImagePreprocessor {
 public:
  virtual ~ImagePreprocessor() = default;

  // `image` in the model's size. INVALID_ARGUMENT when it has no pixels or its
  // sides are so unequal that resizing would need more than the decoder's
  // limit.
  virtual absl::StatusOr<Image> Preprocess(const Image& image) const = 0;
};

}  // namespace diptych::inference
