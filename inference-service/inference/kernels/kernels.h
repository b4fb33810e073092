// The inner loops of the towers on a CPU, for each level of its instructions.
//
// Operation: a level is a table of functions that are compiled for instructions
// of their own, so that one program runs on every processor and uses what the
// processor has. The weights of a product are packed into panels
// (packed_linear.h), and a kernel multiplies many rows with one panel. Every
// output is summed in the order of the depth, whatever rows lie around it: a
// row's result does not depend on the batch or on threads, to the bit.
// Concurrency: everything may be called from any thread, in parallel.
// Limits: none of their own; callers see to the sizes.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/types/activation.h"

namespace diptych::inference {

// Each holds what those before it hold.
enum class KernelLevel {
  kPortable,
  // x86-64-v3: AVX2 and FMA.
  kAvx2,
  // x86-64-v4: AVX-512 F, BW, DQ and VL.
  kAvx512,
  kAvx512Vnni,
  kAvx512Bfloat16,
};

// out[r][c] = activation(scale (rows[r] . panel[c]) + bias[c]), or added to
// what is there.
struct PanelProduct {
  // float, bfloat16 or uint8_t, in groups of ProductKernel::group.
  const void* rows = nullptr;
  int64_t row_bytes = 0;
  int64_t row_count = 0;
  // [groups][columns][group]; the next group lies `group_bytes` further.
  const void* panel = nullptr;
  int64_t group_bytes = 0;
  int64_t groups = 0;
  // Of the same size, or null: fetched into a cache meanwhile, since weights
  // come from memory, which no processor sees coming between two panels.
  const void* next_panel = nullptr;
  // Columns that are written: up to ProductKernel::columns.
  int columns = 0;
  // One per column of the panel, or null.
  const float* bias = nullptr;
  // 8-bit products: a value of a row is row_scale q + row_offset, one of a
  // column is column_scale w; column_sum is column_scale times the sum of w.
  const float* row_scales = nullptr;
  const float* row_offsets = nullptr;
  const float* column_scales = nullptr;
  const float* column_sums = nullptr;
  Activation activation = Activation::kNone;
  bool accumulate = false;
  float* out = nullptr;
  // In floats.
  int64_t out_stride = 0;
};

struct ProductKernel {
  // Null where the level has no such instructions.
  void (*run)(const PanelProduct&) = nullptr;
  // Of a panel.
  int columns = 0;
  // Values along the depth that lie together.
  int group = 1;
};

// softmax(queries keys^T) values of one head; queries are scaled already.
// Strides are in floats.
struct HeadAttention {
  const float* queries = nullptr;
  int64_t query_stride = 0;
  int64_t query_count = 0;
  const float* keys = nullptr;
  int64_t key_stride = 0;
  const float* values = nullptr;
  int64_t value_stride = 0;
  int64_t length = 0;
  int64_t head_size = 0;
  // Query i looks at the keys up to i.
  bool causal = false;
  float* out = nullptr;
  int64_t out_stride = 0;
  // As many floats as attention_scratch says.
  float* scratch = nullptr;
};

struct Kernels {
  KernelLevel level = KernelLevel::kPortable;
  ProductKernel float32;
  ProductKernel bfloat16;
  // Unsigned rows, signed columns.
  ProductKernel int8;
  // (x - mean) / sqrt(variance + epsilon) * weight + bias
  void (*normalize_row)(const float* in, const float* weight, const float* bias,
                        float epsilon, int64_t width, float* out) = nullptr;
  // in = scale out + offset, with offset the smallest value; a row of one
  // value has the scale 0.
  void (*quantize_row)(const float* in, int64_t width, uint8_t* out,
                       float* scale, float* offset) = nullptr;
  // To the nearest, ties to even. Null where bfloat16 is.
  void (*round_row)(const float* in, int64_t width, uint16_t* out) = nullptr;
  void (*attend)(const HeadAttention&) = nullptr;
  int64_t (*attention_scratch)(int64_t length, int64_t head_size) = nullptr;
};

// "AVX-512 VNNI", ...
const char* KernelLevelName(KernelLevel level);

// The highest level that this processor and its operating system have.
KernelLevel BestKernelLevel();
// All that it has, from the lowest.
std::vector<KernelLevel> AvailableKernelLevels();

// `level` is one of AvailableKernelLevels().
const Kernels& KernelsOf(KernelLevel level);

}  // namespace diptych::inference
