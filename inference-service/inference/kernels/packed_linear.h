// y = activation(x W^T + b) in a chosen precision, with weights that are packed
// once.
//
// Operation: the outputs are divided into panels as wide as a kernel's
// (kernels.h); the weights of a panel lie in the order in which the kernel
// reads them. In bfloat16, weights and rows are rounded to it and summed in
// float32. In int8, an output's weights are divided by their largest magnitude
// and rounded to -127 .. 127; a row is rounded to 256 steps between its least
// and its largest value; sums are integers, so exact. Results do not depend on
// what other rows there are, nor on threads.
// Concurrency: Run may be called from any thread, in parallel. Each thread
// keeps a buffer for rounded rows, as large as its largest call needed.
// Limits: an 8-bit sum has 32 bits: at most kInt8DepthMax inputs, more than any
// tower has; a larger product is kept in float32.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "inference/kernels/aligned_bytes.h"
#include "inference/kernels/kernels.h"
#include "inference/kernels/parallel.h"
#include "inference/types/precision.h"

namespace diptych::inference {

// Rows of floats; each begins `stride` floats behind the one before.
struct ConstRows {
  const float* data = nullptr;
  int64_t stride = 0;
  int64_t count = 0;
};
struct MutableRows {
  float* data = nullptr;
  int64_t stride = 0;
};

// Whether `level` has instructions for products of this precision. Every level
// has float32 and int8.
bool HasPrecision(KernelLevel level, Precision precision);

class PackedLinear {
 public:
  static constexpr int64_t kInt8DepthMax = 65536;

  PackedLinear() = default;
  // `weight` is [out][in], `bias` is [out] or empty for none. `level` is one of
  // AvailableKernelLevels(), and has the precision.
  PackedLinear(absl::Span<const float> weight, absl::Span<const float> bias,
               int64_t out, int64_t in, Precision precision, KernelLevel level);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  Precision precision() const { return precision_; }
  // Of weights and their scales.
  int64_t bytes() const;

  // `rows` has in() floats each, `result` gets out() floats each; it is added
  // to when `accumulate`. They do not overlap. A small product is the calling
  // thread's alone.
  void Run(const ConstRows& rows, const MutableRows& result,
           Activation activation, bool accumulate,
           const Parallel& threads) const;

 private:
  struct Rounded;

  const ProductKernel& kernel() const;
  void PackPanel(absl::Span<const float> weight, int64_t panel);
  // `round` makes a Value of a weight and its column in the panel.
  template <typename Value, typename Round>
  void PackValues(absl::Span<const float> weight, int64_t panel,
                  const Round& round);
  // The rows as the kernel reads them, in the calling thread's buffer.
  Rounded RoundRows(const ConstRows& rows, const Parallel& parallel) const;

  const Kernels* kernels_ = nullptr;
  Precision precision_ = Precision::kFloat32;
  int64_t in_ = 0;
  int64_t out_ = 0;
  int64_t groups_ = 0;
  int64_t panels_ = 0;
  int64_t panel_bytes_ = 0;
  AlignedBytes weights_;
  // One per output, filled up to whole panels.
  std::vector<float> bias_;
  std::vector<float> scales_;
  std::vector<float> sums_;
};

}  // namespace diptych::inference
