#include "storage/index/compact_kernels.h"

#include <cstring>

#if defined(__x86_64__)
// GCC 12 takes its own intrinsics' don't-care operands for mistakes (GCC
// PR105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace diptych::storage {
namespace {

float DotBfloat16Portable(const uint16_t* a, const uint16_t* b, size_t count) {
  float sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      sums[lane] += FromBfloat16(a[i + lane]) * FromBfloat16(b[i + lane]);
    }
  }
  for (; i < count; ++i) sums[0] += FromBfloat16(a[i]) * FromBfloat16(b[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
         ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

int32_t DotInt8Portable(const int8_t* a, const int8_t* b, size_t count,
                        int32_t /*sum_of_b*/) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

int32_t SumBehind(const std::byte* row, size_t sum_offset) {
  int32_t sum;
  std::memcpy(&sum, row + sum_offset, sizeof(sum));
  return sum;
}

template <Int8Kernel kDot>
void DotInt8OneByOne(const int8_t* a, const std::byte* const* b, size_t b_count,
                     size_t count, size_t sum_offset, int32_t* products) {
  for (size_t i = 0; i < b_count; ++i) {
    products[i] = kDot(a, reinterpret_cast<const int8_t*>(b[i]), count,
                       SumBehind(b[i], sum_offset));
  }
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) inline __m256 LoadBfloat16(
    const uint16_t* values) {
  const __m128i halves =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

__attribute__((target("avx2,fma"))) float DotBfloat16Avx2(const uint16_t* a,
                                                          const uint16_t* b,
                                                          size_t count) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    s0 = _mm256_fmadd_ps(LoadBfloat16(a + i), LoadBfloat16(b + i), s0);
    s1 = _mm256_fmadd_ps(LoadBfloat16(a + i + 8), LoadBfloat16(b + i + 8), s1);
    s2 =
        _mm256_fmadd_ps(LoadBfloat16(a + i + 16), LoadBfloat16(b + i + 16), s2);
    s3 =
        _mm256_fmadd_ps(LoadBfloat16(a + i + 24), LoadBfloat16(b + i + 24), s3);
  }
  for (; i + 8 <= count; i += 8) {
    s0 = _mm256_fmadd_ps(LoadBfloat16(a + i), LoadBfloat16(b + i), s0);
  }
  float rest = 0;
  for (; i < count; ++i) rest += FromBfloat16(a[i]) * FromBfloat16(b[i]);
  const __m256 sum =
      _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
  const __m128 half =
      _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return rest + _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

__attribute__((target("avx2"))) inline __m256i LoadInt8(const int8_t* values) {
  return _mm256_cvtepi8_epi16(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}

__attribute__((target("avx2"))) int32_t DotInt8Avx2(const int8_t* a,
                                                    const int8_t* b,
                                                    size_t count,
                                                    int32_t /*sum_of_b*/) {
  __m256i s0 = _mm256_setzero_si256(), s1 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    s0 = _mm256_add_epi32(s0,
                          _mm256_madd_epi16(LoadInt8(a + i), LoadInt8(b + i)));
    s1 = _mm256_add_epi32(
        s1, _mm256_madd_epi16(LoadInt8(a + i + 16), LoadInt8(b + i + 16)));
  }
  for (; i + 16 <= count; i += 16) {
    s0 = _mm256_add_epi32(s0,
                          _mm256_madd_epi16(LoadInt8(a + i), LoadInt8(b + i)));
  }
  int32_t rest = 0;
  for (; i < count; ++i) rest += int32_t{a[i]} * b[i];
  const __m256i sum = _mm256_add_epi32(s0, s1);
  const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum),
                                     _mm256_extracti128_si256(sum, 1));
  const __m128i pair = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  return rest +
         _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xB1)));
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) inline __m512bh
LoadPairs(const uint16_t* values) {
  return (__m512bh)_mm512_loadu_si512(values);
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) float DotBfloat16Avx512(
    const uint16_t* a, const uint16_t* b, size_t count) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 128 <= count; i += 128) {
    s0 = _mm512_dpbf16_ps(s0, LoadPairs(a + i), LoadPairs(b + i));
    s1 = _mm512_dpbf16_ps(s1, LoadPairs(a + i + 32), LoadPairs(b + i + 32));
    s2 = _mm512_dpbf16_ps(s2, LoadPairs(a + i + 64), LoadPairs(b + i + 64));
    s3 = _mm512_dpbf16_ps(s3, LoadPairs(a + i + 96), LoadPairs(b + i + 96));
  }
  for (; i + 32 <= count; i += 32) {
    s0 = _mm512_dpbf16_ps(s0, LoadPairs(a + i), LoadPairs(b + i));
  }
  if (i < count) {
    const __mmask32 mask = (__mmask32{1} << (count - i)) - 1;
    s1 = _mm512_dpbf16_ps(s1, (__m512bh)_mm512_maskz_loadu_epi16(mask, a + i),
                          (__m512bh)_mm512_maskz_loadu_epi16(mask, b + i));
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) int32_t DotInt8Avx512(
    const int8_t* a, const int8_t* b, size_t count, int32_t sum_of_b) {
  const __m512i shift = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i s0 = _mm512_setzero_si512(), s1 = s0;
  size_t i = 0;
  for (; i + 128 <= count; i += 128) {
    s0 = _mm512_dpbusd_epi32(s0,
                             _mm512_xor_si512(shift, _mm512_loadu_si512(a + i)),
                             _mm512_loadu_si512(b + i));
    s1 = _mm512_dpbusd_epi32(
        s1, _mm512_xor_si512(shift, _mm512_loadu_si512(a + i + 64)),
        _mm512_loadu_si512(b + i + 64));
  }
  for (; i < count; i += 64) {
    const size_t left = count - i;
    const __mmask64 mask =
        left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    // Lanes beyond the end are 128 * 0.
    s0 = _mm512_dpbusd_epi32(
        s0, _mm512_xor_si512(shift, _mm512_maskz_loadu_epi8(mask, a + i)),
        _mm512_maskz_loadu_epi8(mask, b + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1)) - 128 * sum_of_b;
}

// The shifted `a` is made once for all rows.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void DotInt8BatchAvx512(
    const int8_t* a, const std::byte* const* b, size_t b_count, size_t count,
    size_t sum_offset, int32_t* products) {
  constexpr size_t kShiftedMax = 2048;
  const size_t whole = count / 64 * 64;
  if (count > kShiftedMax || whole != count) {
    DotInt8OneByOne<&DotInt8Avx512>(a, b, b_count, count, sum_offset, products);
    return;
  }
  alignas(64) uint8_t shifted[kShiftedMax];
  const __m512i shift = _mm512_set1_epi8(static_cast<char>(0x80));
  for (size_t i = 0; i < count; i += 64) {
    _mm512_store_si512(shifted + i,
                       _mm512_xor_si512(shift, _mm512_loadu_si512(a + i)));
  }
  for (size_t row = 0; row < b_count; ++row) {
    const std::byte* components = b[row];
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 256 <= count; i += 256) {
      s0 = _mm512_dpbusd_epi32(s0, _mm512_load_si512(shifted + i),
                               _mm512_loadu_si512(components + i));
      s1 = _mm512_dpbusd_epi32(s1, _mm512_load_si512(shifted + i + 64),
                               _mm512_loadu_si512(components + i + 64));
      s2 = _mm512_dpbusd_epi32(s2, _mm512_load_si512(shifted + i + 128),
                               _mm512_loadu_si512(components + i + 128));
      s3 = _mm512_dpbusd_epi32(s3, _mm512_load_si512(shifted + i + 192),
                               _mm512_loadu_si512(components + i + 192));
    }
    for (; i < count; i += 64) {
      s0 = _mm512_dpbusd_epi32(s0, _mm512_load_si512(shifted + i),
                               _mm512_loadu_si512(components + i));
    }
    products[row] = _mm512_reduce_add_epi32(_mm512_add_epi32(
                        _mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3))) -
                    128 * SumBehind(components, sum_offset);
  }
}

#endif  // __x86_64__

}  // namespace

std::vector<NamedBfloat16Kernel> AvailableBfloat16Kernels() {
  std::vector<NamedBfloat16Kernel> kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16") &&
      __builtin_cpu_supports("avx512bw")) {
    kernels.push_back({"avx512bf16", &DotBfloat16Avx512});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back({"avx2", &DotBfloat16Avx2});
  }
#endif
  kernels.push_back({"portable", &DotBfloat16Portable});
  return kernels;
}

std::vector<NamedInt8Kernel> AvailableInt8Kernels() {
  std::vector<NamedInt8Kernel> kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512bw")) {
    kernels.push_back({"avx512vnni", &DotInt8Avx512, &DotInt8BatchAvx512});
  }
  if (__builtin_cpu_supports("avx2")) {
    kernels.push_back({"avx2", &DotInt8Avx2, &DotInt8OneByOne<&DotInt8Avx2>});
  }
#endif
  kernels.push_back(
      {"portable", &DotInt8Portable, &DotInt8OneByOne<&DotInt8Portable>});
  return kernels;
}

uint16_t ToBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  constexpr uint32_t kInfinity = 0x7F80;
  if ((rounded & 0x7FFF) >= kInfinity) {
    return static_cast<uint16_t>((rounded & 0x8000) | (kInfinity - 1));
  }
  return static_cast<uint16_t>(rounded);
}

float FromBfloat16(uint16_t value) {
  const uint32_t bits = uint32_t{value} << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

}  // namespace diptych::storage
