// What the products of all precisions share, for the sources of kernel levels
// (vector_math.h): the rows are divided into tiles of nearly equal size, of at
// most DIPTYCH_TILE_ROWS: as many as the registers hold sums for.
#pragma once

#include <cstdint>

#include "inference/kernels/kernels.h"
#include "inference/kernels/vector_math.h"

namespace diptych::inference::DIPTYCH_KERNEL_LEVEL {

// Of a product whose panels are two registers wide.
constexpr int kPanelColumns = 2 * kLanes;

// `sums` are those of `count` rows from `row` on, two vectors each. Not
// inlined: this is behind the loop that counts, and there would be dozens of
// it.
[[maybe_unused]] __attribute__((noinline)) static void FinishRows(
    const PanelProduct& product, int64_t row, int count, const Floats* sums) {
  for (int i = 0; i < count; ++i) {
    float* const out = product.out + (row + i) * product.out_stride;
    for (int half = 0; half < 2; ++half) {
      const int first = half * kLanes;
      const int left = product.columns - first;
      if (left <= 0) break;
      Floats value = sums[2 * i + half];
      if (product.row_scales != nullptr) {
        value =
            value * product.row_scales[row + i] *
                Load(product.column_scales + first) +
            product.row_offsets[row + i] * Load(product.column_sums + first);
      }
      if (product.bias != nullptr) value += Load(product.bias + first);
      value = Activate(value, product.activation);
      if (left >= kLanes) {
        if (product.accumulate) value += Load(out + first);
        Store(out + first, value);
        continue;
      }
      for (int j = 0; j < left; ++j) {
        out[first + j] = (product.accumulate ? out[first + j] : 0) + value[j];
      }
    }
  }
}

// A precision is a type Dot with types Row (four bytes of a row, in every
// lane), Columns (four bytes of each column of half a panel) and Sum, and
// functions ReadRow, ReadColumns, Zero, Add (a product to a sum) and ToFloats.
//
// Sums are members and no array, and recursion stands for a loop, because
// compilers keep every member in a register, but arrays in memory as soon as
// intrinsics are involved.
template <typename Dot, int kRows>
struct TileSums {
  typename Dot::Sum low = Dot::Zero();
  typename Dot::Sum high = Dot::Zero();
  TileSums<Dot, kRows - 1> before;

  [[gnu::always_inline]] void Add(const char* rows, int64_t stride,
                                  const typename Dot::Columns& low_columns,
                                  const typename Dot::Columns& high_columns) {
    before.Add(rows, stride, low_columns, high_columns);
    const typename Dot::Row row = Dot::ReadRow(rows + (kRows - 1) * stride);
    low = Dot::Add(low, row, low_columns);
    high = Dot::Add(high, row, high_columns);
  }
  [[gnu::always_inline]] void Read(Floats* sums) const {
    before.Read(sums);
    sums[2 * kRows - 2] = Dot::ToFloats(low);
    sums[2 * kRows - 1] = Dot::ToFloats(high);
  }
};

template <typename Dot>
struct TileSums<Dot, 0> {
  [[gnu::always_inline]] void Add(const char*, int64_t,
                                  const typename Dot::Columns&,
                                  const typename Dot::Columns&) {}
  [[gnu::always_inline]] void Read(Floats*) const {}
};

template <typename Dot, int kRows>
static void RunTile(const PanelProduct& product, int64_t row, int64_t count) {
  if constexpr (kRows > 1) {
    if (count < kRows) return RunTile<Dot, kRows - 1>(product, row, count);
  }
  TileSums<Dot, kRows> sums;
  const char* rows =
      static_cast<const char*>(product.rows) + row * product.row_bytes;
  const char* panel = static_cast<const char*>(product.panel);
  const int64_t stride = product.row_bytes;
  for (int64_t group = 0; group < product.groups; ++group) {
    sums.Add(rows, stride, Dot::ReadColumns(panel),
             Dot::ReadColumns(panel + DIPTYCH_VECTOR_BYTES));
    rows += 4;
    panel += product.group_bytes;
  }
  Floats results[2 * kRows];
  sums.Read(results);
  FinishRows(product, row, kRows, results);
}

// A small last tile would use the processor badly: 50 rows are 5 times 10
// rather than 4 times 12 and 2.
template <typename Dot>
static void RunProduct(const PanelProduct& product) {
  constexpr int kMost = DIPTYCH_TILE_ROWS;
  const int64_t tiles = (product.row_count + kMost - 1) / kMost;
  int64_t row = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t next = product.row_count * (tile + 1) / tiles;
    RunTile<Dot, kMost>(product, row, next - row);
    row = next;
  }
}

}  // namespace diptych::inference::DIPTYCH_KERNEL_LEVEL
