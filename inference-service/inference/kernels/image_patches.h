// The first product of an image tower on a CPU: pixels to patches to rows.
//
// Operation: a patch is laid out by channel, then row, then column, as a
// convolution's weights are; a last one that does not fit is left out. Pixels
// are rescaled on the way, so no picture of floats is ever made.
// Concurrency: may be called from any thread, in parallel. Each thread keeps a
// buffer for the patches of one picture. Limits: none of its own.
#pragma once

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/parallel.h"
#include "inference/types/image.h"

namespace diptych::inference {

// The value of a pixel's byte b is factor b + summand, by channel.
struct PixelScale {
  std::array<float, Image::kChannels> factor = {};
  std::array<float, Image::kChannels> summand = {};
};

struct PatchGrid {
  // Width and height of a picture, and of a patch, in pixels.
  int64_t image_size = 0;
  int64_t patch_size = 0;
  // Patches per side.
  int64_t side = 0;
};

// `product` has 3 patch_size^2 inputs. `result` is
// [images.size()][side * side][outputs].
void EmbedImagePatches(const PatchGrid& grid, const PixelScale& scale,
                       const PackedLinear& product,
                       absl::Span<const Image> images, const Parallel& parallel,
                       absl::Span<float> result);

}  // namespace diptych::inference
