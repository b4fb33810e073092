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

// Rows of scores that are there at a time; with a causal mask fewer, since a
// block computes the scores of its last query for all.
constexpr int64_t kQueryBlock = 5 * DIPTYCH_TILE_ROWS;
constexpr int64_t kCausalBlock = 2 * DIPTYCH_TILE_ROWS;

static inline int64_t PaddedToPanel(int64_t count) {
  return (count + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

static int64_t AttentionScratch(int64_t length, int64_t head_size) {
  return PaddedToPanel(length) * head_size + length * PaddedToPanel(head_size) +
         kQueryBlock * PaddedToPanel(length);
}

// Turns `length` scores, at least one, into weights that sum to 1; the rest of
// the padded row becomes 0.
static void Softmax(float* scores, int64_t length, int64_t padded) {
  // The last vector that has scores, which may hold others behind them.
  const int64_t last = (length - 1) / kLanes * kLanes;
  const Floats last_scores = FirstLanes(Load(scores + last), length - last,
                                        Broadcast(-1e30f), AllLanes());
  Floats largest = last_scores;
  for (int64_t i = 0; i < last; i += kLanes) {
    largest = Max(largest, Load(scores + i));
  }
  const float most = Largest(largest);
  const Floats last_weights =
      FirstLanes(Exp(last_scores - most), length - last, Floats{}, AllLanes());
  Floats sums = last_weights;
  for (int64_t i = 0; i < last; i += kLanes) {
    const Floats weight = Exp(Load(scores + i) - most);
    sums += weight;
    Store(scores + i, weight);
  }
  const float factor = 1.0f / Sum(sums);
  for (int64_t i = 0; i < last; i += kLanes) {
    Store(scores + i, Load(scores + i) * factor);
  }
  Store(scores + last, last_weights * factor);
  for (int64_t i = last + kLanes; i < padded; i += kLanes) {
    Store(scores + i, Floats{});
  }
}

// To panels of [head size][panel], with zeros behind the last key.
static void TransposeKeys(const HeadAttention& head, int64_t padded,
                          float* keys) {
  const int64_t whole = head.head_size / kLanes * kLanes;
  for (int64_t k = 0; k < padded; k += kLanes) {
    const int64_t panel = k / kPanelColumns * kPanelColumns;
    float* const to = keys + panel * head.head_size + (k - panel);
    const float* const from = head.keys + k * head.key_stride;
    const int64_t left = head.length - k;
    for (int64_t i = 0; i < whole; i += kLanes) {
      Floats block[kLanes];
      for (int j = 0; j < kLanes; ++j) {
        block[j] = j < left ? Load(from + j * head.key_stride + i) : Floats{};
      }
      Transpose(block);
      for (int j = 0; j < kLanes; ++j) {
        Store(to + (i + j) * kPanelColumns, block[j]);
      }
    }
    for (int64_t i = whole; i < head.head_size; ++i) {
      for (int j = 0; j < kLanes; ++j) {
        to[i * kPanelColumns + j] =
            j < left ? from[j * head.key_stride + i] : 0.0f;
      }
    }
  }
}

static void Attend(const HeadAttention& head) {
  constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
  const int64_t padded = PaddedToPanel(head.length);
  const int64_t padded_head = PaddedToPanel(head.head_size);
  float* const keys = head.scratch;
  float* const own_values = keys + padded * head.head_size;
  float* const scores = own_values + head.length * padded_head;

  TransposeKeys(head, padded, keys);
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

  const int64_t block = head.causal ? kCausalBlock : kQueryBlock;
  const int64_t blocks = (head.query_count + block - 1) / block;
  int64_t query = 0;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t end = head.query_count * (i + 1) / blocks;
    const int64_t count = end - query;
    // Keys that the last query of the block looks at.
    const int64_t seen = head.causal ? end : head.length;
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
    for (int64_t row = 0; row < count; ++row) {
      Softmax(scores + row * padded, head.causal ? query + row + 1 : seen,
              seen_padded);
    }
    for (int64_t first = 0; first < head.head_size; first += kPanelColumns) {
      const int64_t columns = head.head_size - first;
      FloatProduct({.rows = scores,
                    .row_bytes = padded * kFloatBytes,
                    .row_count = count,
                    .panel = values + first,
                    .group_bytes = value_stride * kFloatBytes,
                    .groups = seen,
                    .columns = static_cast<int>(
                        columns < kPanelColumns ? columns : kPanelColumns),
                    .out = head.out + query * head.out_stride + first,
                    .out_stride = head.out_stride});
    }
    query = end;
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
