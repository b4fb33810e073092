// Distances between rows, as fast as the processor allows.
//
// Operation: the kernels (AVX-512, AVX2 with FMA, portable) are compiled side
// by side and chosen once, when the program runs. Several independent
// accumulators hide the latency of the fused multiply-add. Compact rows know
// inner products only, so their squared L2 distance is |a|^2 + |b|^2 - 2 a.b.
// With kept vectors a', b' at most e, f away from a, b:
//   |a.b - a'.b'|         <= |a'| f + e |b'| + e f
//   ||a - b| - |a' - b'|| <= e + f
// (Cauchy-Schwarz; the triangle inequality).
// Concurrency: plain values and pure functions.
// Limits: sums are float32; storage/types/distance.h is the exact one. Compact
// rows under squared L2: vectors whose squared norm is beyond float32 are
// infinitely far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/index/compact_kernels.h"
#include "storage/index/vector_encoding.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

class DistanceFunction {
 public:
  // Sum over two arrays of `count` floats; they need no alignment.
  using Kernel = float (*)(const float* a, const float* b, size_t count);

  // `slower_kernels`: so many of the fastest kernels are passed over, as on a
  // processor that lacks them; the portable ones are the last.
  DistanceFunction(Metric metric, size_t dimension,
                   VectorPrecision precision = VectorPrecision::kFloat32,
                   size_t slower_kernels = 0);

  const VectorEncoding& encoding() const { return encoding_; }

  // Of two rows encoded by encoding() from vectors made by PrepareVector; they
  // are aligned for their components. Never NaN.
  float operator()(const void* a, const void* b) const {
    switch (encoding_.precision()) {
      case VectorPrecision::kBfloat16: {
        const auto* x = static_cast<const uint16_t*>(a);
        const auto* y = static_cast<const uint16_t*>(b);
        return FromDot(bfloat16_kernel_(x, y, encoding_.dimension()), a, b);
      }
      case VectorPrecision::kInt8: {
        const RowTrailer of_b = encoding_.TrailerOf(b);
        const int32_t sum = int8_kernel_(static_cast<const int8_t*>(a),
                                         static_cast<const int8_t*>(b),
                                         encoding_.dimension(), of_b.byte_sum);
        return FromDot(
            static_cast<float>(sum) * encoding_.TrailerOf(a).scale * of_b.scale,
            a, b);
      }
      case VectorPrecision::kFloat32:
        break;
    }
    const float sum =
        kernel_(static_cast<const float*>(a), static_cast<const float*>(b),
                encoding_.dimension());
    return metric_ == Metric::kSquaredL2 ? sum : FromDot(sum, a, b);
  }

  // distances[i] = operator()(query, rows[i]), in less time.
  void Batch(const void* query, const std::byte* const* rows, size_t count,
             float* distances) const;

  // By how much operator() may be off from the distance of the vectors that
  // the rows were encoded from. 0 for float32, whose rounding is left out;
  // infinity where nothing is sure.
  float ErrorBound(const void* a, const void* b) const {
    return encoding_.compact() ? CompactErrorBound(a, b) : 0.0f;
  }

 private:
  float FromDot(float dot, const void* a, const void* b) const {
    float distance = 1.0f - dot;
    if (metric_ == Metric::kSquaredL2) {
      distance = encoding_.TrailerOf(a).squared_norm +
                 encoding_.TrailerOf(b).squared_norm - 2.0f * dot;
    }
    // Rounding may bring it below 0.
    if (metric_ != Metric::kInnerProduct && distance < 0) return 0.0f;
    // Products of huge numbers may sum to infinity minus infinity.
    return distance == distance ? distance
                                : std::numeric_limits<float>::infinity();
  }
  float CompactErrorBound(const void* a, const void* b) const;

  VectorEncoding encoding_;
  Metric metric_;
  Kernel kernel_;
  Bfloat16Kernel bfloat16_kernel_;
  Int8Kernel int8_kernel_;
  Int8BatchKernel int8_batch_kernel_;
};

struct NamedKernels {
  std::string name;  // "avx512f", "avx2", "portable"
  DistanceFunction::Kernel dot;
  DistanceFunction::Kernel squared_l2;
};

// Those that this processor can run, the fastest first.
std::vector<NamedKernels> AvailableKernels();

// The vector as an index keeps it: normalised under cosine (a zero vector stays
// zero). INVALID_ARGUMENT: wrong dimension, NaN or infinity.
absl::StatusOr<std::vector<float>> PrepareVector(Metric metric,
                                                 size_t dimension,
                                                 absl::Span<const float> given);
// The same into `prepared`, whose size is the dimension.
absl::Status PrepareVectorInto(Metric metric, absl::Span<const float> given,
                               absl::Span<float> prepared);

}  // namespace diptych::storage
