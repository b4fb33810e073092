#include "inference/kernels/image_patches.h"

#include <vector>

namespace diptych::inference {
namespace {

// Rows that lie a power of two apart would fight for the same lines of a cache.
constexpr int64_t kStridePadding = 16;

void CopyPatch(const Image& image, int64_t top, int64_t left, int64_t size,
               const PixelScale& scale, float* to) {
  for (int channel = 0; channel < Image::kChannels; ++channel) {
    const float factor = scale.factor[channel];
    const float summand = scale.summand[channel];
    for (int64_t y = 0; y < size; ++y) {
      const uint8_t* const from = image.row(static_cast<int>(top + y)) +
                                  left * Image::kChannels + channel;
      for (int64_t x = 0; x < size; ++x) {
        *to++ =
            static_cast<float>(from[x * Image::kChannels]) * factor + summand;
      }
    }
  }
}

}  // namespace

void EmbedImagePatches(const PatchGrid& grid, const PixelScale& scale,
                       const PackedLinear& product,
                       absl::Span<const Image> images, const Parallel& parallel,
                       absl::Span<float> result) {
  const int64_t patches = grid.side * grid.side;
  const int64_t stride = product.in() + kStridePadding;
  const auto embed = [&](int64_t index, const Parallel& threads) {
    static thread_local std::vector<float> buffer;
    if (static_cast<int64_t>(buffer.size()) < patches * stride) {
      buffer.resize(patches * stride);
    }
    // Another thread that copies has a buffer of its own.
    float* const values = buffer.data();
    threads.For(grid.side, [&](int64_t row) {
      for (int64_t column = 0; column < grid.side; ++column) {
        CopyPatch(images[index], row * grid.patch_size,
                  column * grid.patch_size, grid.patch_size, scale,
                  values + (row * grid.side + column) * stride);
      }
    });
    product.Run(
        {values, stride, patches},
        {result.data() + index * patches * product.out(), product.out()},
        Activation::kNone, /*accumulate=*/false, threads);
  };
  const auto count = static_cast<int64_t>(images.size());
  if (count >= parallel.threads()) {
    const Serial serial;
    parallel.For(count, [&](int64_t index) { embed(index, serial); });
  } else {
    for (int64_t index = 0; index < count; ++index) embed(index, parallel);
  }
}

}  // namespace diptych::inference
