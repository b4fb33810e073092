// Inner products of compact vectors, as fast as the processor allows.
//
// Operation: as distance_function.h, the kernels are compiled side by side; the
// first of a list is the fastest that this processor can run. bfloat16 is the
// upper half of a float32.
// Concurrency: pure functions.
// Limits: bfloat16 sums are float32, in an order of each kernel's own, and
// AVX-512 BF16 takes denormals for 0. int8 sums are exact up to 65,536
// components.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace diptych::storage {

// Arrays of `count` components; they need no alignment.
using Bfloat16Kernel = float (*)(const uint16_t* a, const uint16_t* b,
                                 size_t count);
// `sum_of_b` is the sum of b's components: the processor's int8 product takes
// one side unsigned, so a is shifted by 128, and 128 * sum_of_b is subtracted.
using Int8Kernel = int32_t (*)(const int8_t* a, const int8_t* b, size_t count,
                               int32_t sum_of_b);

struct NamedBfloat16Kernel {
  std::string name;  // "avx512bf16", "avx2", "portable"
  Bfloat16Kernel dot;
};
// products[i] = the inner product of `a` and b[i]; the sum of b[i]'s
// components, an int32_t, lies `sum_offset` bytes behind b[i].
using Int8BatchKernel = void (*)(const int8_t* a, const std::byte* const* b,
                                 size_t b_count, size_t count,
                                 size_t sum_offset, int32_t* products);

struct NamedInt8Kernel {
  std::string name;  // "avx512vnni", "avx2", "portable"
  Int8Kernel dot;
  Int8BatchKernel batch;
};

// Those that this processor can run, the fastest first.
std::vector<NamedBfloat16Kernel> AvailableBfloat16Kernels();
std::vector<NamedInt8Kernel> AvailableInt8Kernels();

// The nearest bfloat16, ties to even; what is beyond the largest finite one
// becomes that. `value` is finite.
uint16_t ToBfloat16(float value);
float FromBfloat16(uint16_t value);

}  // namespace diptych::storage
