// Kernels for AVX2 and FMA.
#define DIPTYCH_KERNEL_LEVEL avx2
#define DIPTYCH_VECTOR_BYTES 32
#define DIPTYCH_TILE_ROWS 6

#include <immintrin.h>

#include "inference/kernels/attention_kernels.h"
#include "inference/kernels/level_tables.h"

namespace diptych::inference {
namespace avx2 {

// Products of 16-bit integers: vpmaddubsw would take bytes as they are, but
// cuts off sums of two that do not fit in 16 bits.
struct IntegerDot {
  // The first and third of four bytes, and the second and fourth.
  struct Halves {
    __m256i even;
    __m256i odd;
  };
  using Row = Halves;
  using Columns = Halves;
  using Sum = __m256i;
  static Sum Zero() { return _mm256_setzero_si256(); }
  static Row ReadRow(const char* from) {
    int32_t four;
    __builtin_memcpy(&four, from, sizeof(four));
    const __m256i bytes = _mm256_set1_epi32(four);
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)),
            _mm256_srli_epi16(bytes, 8)};
  }
  static Columns ReadColumns(const char* from) {
    const __m256i bytes =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8),
            _mm256_srai_epi16(bytes, 8)};
  }
  static Sum Add(Sum sum, const Row& row, const Columns& columns) {
    return _mm256_add_epi32(
        sum, _mm256_add_epi32(_mm256_madd_epi16(row.even, columns.even),
                              _mm256_madd_epi16(row.odd, columns.odd)));
  }
  static Floats ToFloats(Sum sum) {
    return __builtin_convertvector((Ints)sum, Floats);
  }
};

}  // namespace avx2

void FillAvx2(Kernels& table) {
  avx2::FillFloatKernels(table);
  table.int8 = {&avx2::RunProduct<avx2::IntegerDot>, avx2::kPanelColumns, 4};
}

}  // namespace diptych::inference
