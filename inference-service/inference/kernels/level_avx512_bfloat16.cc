// bfloat16 products for AVX-512 BF16.
#define DIPTYCH_KERNEL_LEVEL avx512_bfloat16
#define DIPTYCH_VECTOR_BYTES 64
#define DIPTYCH_TILE_ROWS 12

#include <immintrin.h>

#include "inference/kernels/level_tables.h"
#include "inference/kernels/product_tiles.h"

namespace diptych::inference {
namespace avx512_bfloat16 {

struct BfloatDot {
  using Row = __m512bh;
  using Columns = __m512bh;
  using Sum = Floats;
  static Sum Zero() { return Floats{}; }
  static Row ReadRow(const char* from) {
    int32_t two;
    __builtin_memcpy(&two, from, sizeof(two));
    return (__m512bh)_mm512_set1_epi32(two);
  }
  static Columns ReadColumns(const char* from) {
    return (__m512bh)_mm512_loadu_si512(from);
  }
  static Sum Add(Sum sum, Row row, const Columns& columns) {
    // As in level_avx512_vnni.cc.
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(row), "v"(columns));
    return sum;
  }
  static Floats ToFloats(Sum sum) { return sum; }
};

static void RoundRow(const float* in, int64_t width, uint16_t* out) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t left = width - i;
    const auto lanes = static_cast<__mmask16>(
        left >= kLanes ? 0xffff : (1u << static_cast<unsigned>(left)) - 1);
    const __m256bh rounded =
        _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, in + i));
    _mm256_mask_storeu_epi16(out + i, lanes, (__m256i)rounded);
  }
}

}  // namespace avx512_bfloat16

void FillAvx512Bfloat16(Kernels& table) {
  table.bfloat16 = {&avx512_bfloat16::RunProduct<avx512_bfloat16::BfloatDot>,
                    avx512_bfloat16::kPanelColumns, 2};
  table.round_row = &avx512_bfloat16::RoundRow;
}

}  // namespace diptych::inference
