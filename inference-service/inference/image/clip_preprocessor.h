// Resizing and cropping as Hugging Face's image processors (those built on
// Pillow) do, to the byte; with CropRounding::kHalfToEven as torchvision's
// CenterCrop, which OpenCLIP uses.
//
// Operation: the shorter side becomes `shortest_edge`, the longer one
// int(shortest_edge * long / short), or both sides are given (SigLIP,
// Chinese-CLIP); the crop begins at (size - crop) / 2; what a small picture
// does not cover is black. Only the pixels inside the crop are computed.
// Source: transformers 4.x, image_processing_clip.py and image_transforms.py
// (resize, center_crop); torchvision, transforms/functional.py (center_crop).
// Concurrency: Preprocess may be called from any thread, in parallel.
// Limits: pictures whose resized longer side stays below kLongSideMax.
#pragma once

#include "inference/image/image_preprocessor.h"
#include "inference/image/preprocessor_config.h"

namespace diptych::inference {

class ClipPreprocessor final : public ImagePreprocessor {
 public:
  static constexpr int kLongSideMax = 1 << 24;

  explicit ClipPreprocessor(const PreprocessorConfig& config)
      : config_(config) {}

  absl::StatusOr<Image> Preprocess(const Image& image) const override;

  // The size of every result in pixels.
  int output_width() const;
  int output_height() const;

 private:
  const PreprocessorConfig config_;
};

}  // namespace diptych::inference
