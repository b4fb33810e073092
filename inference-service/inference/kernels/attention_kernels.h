// Attention of one head in float32, for the sources of kernel levels: see
// vector_math.h.
//
// Operation: keys are transposed and, where a head does not fill its panels,
// values are filled up, so that scores and sums are products of panels; queries
// are taken in blocks, so that scores stay in the cache however long the
// sequence is.
#pragma once

#include <cstdint>

#include "inference/kernels/float_kernels.h"

namespace diptych::inference::DIPTYCH_KERNEL_LEVEL {

constexpr int64_t kQueryBlock = 2 * DIPTYCH_TILE_ROWS;

static inline int64_t PaddedToPanel(int64_t count) {
  return (count + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

static int64_t AttentionScratch(int64_t length, int64_t head_size) {
  return PaddedToPanel(length) * head_size + length * PaddedToPanel(head_size) +
         kQueryBlock * PaddedToPanel(length);
}

// Turns `length` scores into weights that sum to 1; the rest of the padded row
// becomes 0.
static void Softmax(float* scores, int64_t length, int64_t padded) {
  for (int64_t i = length; i < padded; ++i) scores[i] = -1e30f;
  Floats largest = Load(scores);
  for (int64_t i = kLanes; i < padded; i += kLanes) {
    largest = Max(largest, Load(scores + i));
  }
  const float most = Largest(largest);
  Floats sums = {};
  for (int64_t i = 0; i < padded; i += kLanes) {
    const Floats weight = Exp(Load(scores + i) - most);
    sums += weight;
    Store(scores + i, weight);
  }
  // What is far below counts as exp(-87) each, which is nothing beside 1.
  const float factor = 1.0f / Sum(sums);
  for (int64_t i = 0; i < padded; i += kLanes) {
    Store(scores + i, Load(scores + i) * factor);
  }
  for (int64_t i = length; i < padded; ++i) scores[i] = 0;
}

static void Attend(const HeadAttention& head) {
  constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
  const int64_t padded = PaddedToPanel(head.length);
  const int64_t padded_head = PaddedToPanel(head.head_size);
  float* const keys = head.scratch;
  float* const own_values = keys + padded * head.head_size;
  float* const scores = own_values + head.length * padded_head;

  // Panels of [head size][panel].
  for (int64_t k = 0; k < padded; ++k) {
    const int64_t panel = k / kPanelColumns * kPanelColumns;
    float* to = keys + panel * head.head_size + (k - panel);
    const float* from = head.keys + k * head.key_stride;
    for (int64_t i = 0; i < head.head_size; ++i) {
      to[i * kPanelColumns] = k < head.length ? from[i] : 0.0f;
    }
  }
  const float* values = head.values;
  int64_t value_stride = head.value_stride;
  if (padded_head != head.head_size) {
    for (int64_t k = 0; k < head.length; ++k) {
      for (int64_t i = 0; i < padded_head; ++i) {
        own_values[k * padded_head + i] =
            i < head.head_size ? head.values[k * head.value_stride + i] : 0.0f;
      }
    }
    values = own_values;
    value_stride = padded_head;
  }

  for (int64_t query = 0; query < head.query_count; query += kQueryBlock) {
    const int64_t left = head.query_count - query;
    const int64_t count = left < kQueryBlock ? left : kQueryBlock;
    // Keys that the last query of the block looks at.
    const int64_t seen = head.causal ? query + count : head.length;
    const int64_t seen_padded = PaddedToPanel(seen);
    for (int64_t k = 0; k < seen; k += kPanelColumns) {
      FloatProduct({.rows = head.queries + query * head.query_stride,
                    .row_bytes = head.query_stride * kFloatBytes,
                    .row_count = count,
                    .panel = keys + k * head.head_size,
                    .group_bytes = kPanelColumns * kFloatBytes,
                    .groups = head.head_size,
                    .columns = kPanelColumns,
                    .out = scores + k,
                    .out_stride = padded});
    }
    for (int64_t i = 0; i < count; ++i) {
      Softmax(scores + i * padded, head.causal ? query + i + 1 : seen,
              seen_padded);
    }
    for (int64_t i = 0; i < head.head_size; i += kPanelColumns) {
      const int64_t columns = head.head_size - i;
      FloatProduct({.rows = scores,
                    .row_bytes = padded * kFloatBytes,
                    .row_count = count,
                    .panel = values + i,
                    .group_bytes = value_stride * kFloatBytes,
                    .groups = seen,
                    .columns = static_cast<int>(
                        columns < kPanelColumns ? columns : kPanelColumns),
                    .out = head.out + query * head.out_stride + i,
                    .out_stride = head.out_stride});
    }
  }
}

static void FillFloatKernels(Kernels& table) {
  table.float32 = {&FloatProduct, kPanelColumns, 1};
  table.normalize_row = &NormalizeRow;
  table.quantize_row = &QuantizeRow;
  table.attend = &Attend;
  table.attention_scratch = &AttentionScratch;
}

}  // namespace diptych::inference::DIPTYCH_KERNEL_LEVEL
