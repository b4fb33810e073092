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
// Of __builtin_prefetch: into the cache of the second level, not the first.
constexpr int kSecondLevel = 2;

// What is applied to sums of the columns from `first` on, a vector of them.
struct Finish {
  Floats scales = {};
  Floats column_sums = {};
  Floats bias = {};

  Finish(const PanelProduct& product, int first) {
    if (product.bias != nullptr) bias = Load(product.bias + first);
    if (product.row_scales == nullptr) return;
    scales = Load(product.column_scales + first);
    column_sums = Load(product.column_sums + first);
  }
  template <Activation kActivation, bool kScaled>
  [[gnu::always_inline]] Floats operator()(Floats sum, float scale,
                                           float offset) const {
    if constexpr (kScaled) {
      sum = sum * (scale * scales) + (offset * column_sums + bias);
    } else {
      sum += bias;
    }
    return Activate(sum, kActivation);
  }
};

// The first `columns` of a vector, or all of it.
static inline void StoreColumns(const PanelProduct& product, int columns,
                                Floats value, float* out) {
  if (columns >= kLanes) {
    if (product.accumulate) value += Load(out);
    Store(out, value);
    return;
  }
  for (int i = 0; i < columns; ++i) {
    out[i] = (product.accumulate ? out[i] : 0) + value[i];
  }
}

template <Activation kActivation, bool kScaled>
static void FinishAs(const PanelProduct& product, int64_t row, int count,
                     const Floats* sums) {
  const bool second = product.columns > kLanes;
  const Finish low(product, 0);
  const Finish high(product, second ? kLanes : 0);
  float* out = product.out + row * product.out_stride;
  for (int i = 0; i < count; ++i, sums += 2, out += product.out_stride) {
    const float scale = kScaled ? product.row_scales[row + i] : 1;
    const float offset = kScaled ? product.row_offsets[row + i] : 0;
    StoreColumns(
        product, product.columns,
        low.template operator()<kActivation, kScaled>(sums[0], scale, offset),
        out);
    if (!second) continue;
    StoreColumns(
        product, product.columns - kLanes,
        high.template operator()<kActivation, kScaled>(sums[1], scale, offset),
        out + kLanes);
  }
}

template <Activation kActivation>
static void FinishAs(const PanelProduct& product, int64_t row, int count,
                     const Floats* sums) {
  return product.row_scales != nullptr
             ? FinishAs<kActivation, true>(product, row, count, sums)
             : FinishAs<kActivation, false>(product, row, count, sums);
}

// `sums` are those of `count` rows from `row` on, two vectors each. Not
// inlined: this is behind the loop that counts, and there would be dozens of
// it.
[[maybe_unused]] __attribute__((noinline)) static void FinishRows(
    const PanelProduct& product, int64_t row, int count, const Floats* sums) {
  switch (product.activation) {
    case Activation::kNone:
      return FinishAs<Activation::kNone>(product, row, count, sums);
    case Activation::kQuickGelu:
      return FinishAs<Activation::kQuickGelu>(product, row, count, sums);
    case Activation::kGelu:
      return FinishAs<Activation::kGelu>(product, row, count, sums);
    case Activation::kGeluTanh:
      return FinishAs<Activation::kGeluTanh>(product, row, count, sums);
    case Activation::kTanh:
      return FinishAs<Activation::kTanh>(product, row, count, sums);
  }
}

// The rows of a tile. Every fourth has a pointer of its own, which with a
// stride and three times it is few enough registers for all.
template <int kRows>
struct RowPointers {
  static constexpr int kBases = (kRows + 3) / 4;
  const char* bases[kBases];
  int64_t stride;
  int64_t three_strides;

  RowPointers(const char* rows, int64_t row_stride)
      : stride(row_stride), three_strides(3 * row_stride) {
    for (int i = 0; i < kBases; ++i) {
      bases[i] = rows + 4 * i * stride;
      // Compilers would compute each from the first, by a register for each.
      asm("" : "+r"(bases[i]));
    }
    asm("" : "+r"(three_strides));
  }
  template <int kRow>
  [[gnu::always_inline]] const char* At(int64_t offset) const {
    return bases[kRow / 4] + offset +
           (kRow % 4 == 3 ? three_strides : kRow % 4 * stride);
  }
  [[gnu::always_inline]] void Advance(int64_t bytes) {
    for (int i = 0; i < kBases; ++i) bases[i] += bytes;
  }
};

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

  template <typename Pointers>
  [[gnu::always_inline]] void Add(const Pointers& rows, int64_t offset,
                                  const typename Dot::Columns& low_columns,
                                  const typename Dot::Columns& high_columns) {
    before.Add(rows, offset, low_columns, high_columns);
    const typename Dot::Row row =
        Dot::ReadRow(rows.template At<kRows - 1>(offset));
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
  template <typename Pointers>
  [[gnu::always_inline]] void Add(const Pointers&, int64_t,
                                  const typename Dot::Columns&,
                                  const typename Dot::Columns&) {}
  [[gnu::always_inline]] void Read(Floats*) const {}
};

// Groups in a step of a tile's loop.
constexpr int kUnrolled = 4;
// Bytes of a line of a cache.
constexpr int64_t kLine = 64;

// What a tile asks the cache of the second level for while it counts: its share
// of the panel that is multiplied next. `lines` lines from `at` on in each step
// of kUnrolled groups, and `bytes` further in the next step.
struct Ahead {
  const char* at = nullptr;
  int64_t bytes = 0;
  int lines = 1;
};

static inline Ahead AheadOf(const PanelProduct& product, int64_t tile,
                            int64_t tiles) {
  // No branch in the loop: without a next panel the same line again.
  if (product.next_panel == nullptr) {
    return {static_cast<const char*>(product.panel)};
  }
  const int64_t bytes = (kUnrolled * product.group_bytes + tiles - 1) / tiles;
  return {static_cast<const char*>(product.next_panel) +
              tile * bytes * (product.groups / kUnrolled),
          bytes, static_cast<int>((bytes + kLine - 1) / kLine)};
}

template <typename Dot, int kRows>
static void RunTile(const PanelProduct& product, int64_t row, int64_t count,
                    Ahead ahead) {
  if constexpr (kRows > 1) {
    if (count < kRows) {
      return RunTile<Dot, kRows - 1>(product, row, count, ahead);
    }
  }
  TileSums<Dot, kRows> sums;
  RowPointers<kRows> rows(
      static_cast<const char*>(product.rows) + row * product.row_bytes,
      product.row_bytes);
  const char* panel = static_cast<const char*>(product.panel);
  // Results are on their way to the cache when they are written.
  float* const out = product.out + row * product.out_stride;
  for (int i = 0; i < kRows; ++i) {
    __builtin_prefetch(out + i * product.out_stride, 1);
    __builtin_prefetch(out + i * product.out_stride + product.columns - 1, 1);
  }
  const auto add = [&](int64_t offset) __attribute__((always_inline)) {
    sums.Add(rows, offset, Dot::ReadColumns(panel),
             Dot::ReadColumns(panel + DIPTYCH_VECTOR_BYTES));
    panel += product.group_bytes;
  };
  int64_t left = product.groups;
  for (; left >= kUnrolled; left -= kUnrolled) {
    for (int i = 0; i < ahead.lines; ++i) {
      __builtin_prefetch(ahead.at + kLine * i, 0, kSecondLevel);
    }
    ahead.at += ahead.bytes;
    add(0);
    add(4);
    add(8);
    add(12);
    rows.Advance(16);
  }
  for (; left > 0; --left) {
    add(0);
    rows.Advance(4);
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
    RunTile<Dot, kMost>(product, row, next - row,
                        AheadOf(product, tile, tiles));
    row = next;
  }
}

}  // namespace diptych::inference::DIPTYCH_KERNEL_LEVEL
