// Kernels for any processor: vectors of 16 bytes, which every compiler has
// instructions for.
#define DIPTYCH_KERNEL_LEVEL portable
#define DIPTYCH_VECTOR_BYTES 16
#define DIPTYCH_TILE_ROWS 6

#include "inference/kernels/attention_kernels.h"
#include "inference/kernels/level_tables.h"

namespace diptych::inference {
namespace portable {

struct IntegerDot {
  struct Row {
    uint8_t values[4];
  };
  struct Columns {
    int8_t values[kLanes][4];
  };
  using Sum = Ints;
  static Sum Zero() { return Ints{}; }
  static Row ReadRow(const char* from) {
    Row row;
    __builtin_memcpy(&row, from, sizeof(row));
    return row;
  }
  static Columns ReadColumns(const char* from) {
    Columns columns;
    __builtin_memcpy(&columns, from, sizeof(columns));
    return columns;
  }
  static Sum Add(Sum sum, const Row& row, const Columns& columns) {
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int i = 0; i < 4; ++i) {
        sum[lane] += row.values[i] * columns.values[lane][i];
      }
    }
    return sum;
  }
  static Floats ToFloats(Sum sum) {
    return __builtin_convertvector(sum, Floats);
  }
};

}  // namespace portable

void FillPortable(Kernels& table) {
  portable::FillFloatKernels(table);
  table.int8 = {&portable::RunProduct<portable::IntegerDot>,
                portable::kPanelColumns, 4};
}

}  // namespace diptych::inference
