// 8-bit products for AVX-512 VNNI.
#define DIPTYCH_KERNEL_LEVEL avx512_vnni
#define DIPTYCH_VECTOR_BYTES 64
#define DIPTYCH_TILE_ROWS 12

#include <immintrin.h>

#include "inference/kernels/level_tables.h"
#include "inference/kernels/product_tiles.h"

namespace diptych::inference {
namespace avx512_vnni {

struct IntegerDot {
  using Row = __m512i;
  using Columns = __m512i;
  using Sum = Ints;
  static Sum Zero() { return Ints{}; }
  static Row ReadRow(const char* from) {
    int32_t four;
    __builtin_memcpy(&four, from, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  static Columns ReadColumns(const char* from) {
    return _mm512_loadu_si512(from);
  }
  static Sum Add(Sum sum, Row row, const Columns& columns) {
    // GCC 12 copies the sum to another register and to memory around
    // _mm512_dpbusd_epi32, which takes more than half of the speed.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(columns));
    return sum;
  }
  static Floats ToFloats(Sum sum) {
    return __builtin_convertvector(sum, Floats);
  }
};

}  // namespace avx512_vnni

void FillAvx512Vnni(Kernels& table) {
  table.int8 = {&avx512_vnni::RunProduct<avx512_vnni::IntegerDot>,
                avx512_vnni::kPanelColumns, 4};
}

}  // namespace diptych::inference
