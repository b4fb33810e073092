// Vectors of floats and the functions of a tower on them, for the sources of
// kernel levels (level_tables.h): each is compiled once per level, in a
// namespace of its own, with as many lanes as the level's registers have.
//
// DIPTYCH_KERNEL_LEVEL is that namespace, DIPTYCH_VECTOR_BYTES the size of a
// register. Vectors are GCC's vector extension, which Clang has too.
#pragma once

#include <cstdint>

#include "inference/types/activation.h"

namespace diptych::inference::DIPTYCH_KERNEL_LEVEL {

constexpr int kLanes = DIPTYCH_VECTOR_BYTES / 4;
using Floats = float __attribute__((vector_size(DIPTYCH_VECTOR_BYTES)));
using Ints = int32_t __attribute__((vector_size(DIPTYCH_VECTOR_BYTES)));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

static inline Floats Load(const float* from) {
  Floats result;
  __builtin_memcpy(&result, from, sizeof(result));
  return result;
}

static inline void Store(float* to, Floats value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

// x - 0 is x for every x, so this is a broadcast and no sum.
static inline Floats Broadcast(float value) { return value - Floats{}; }

static inline Floats Max(Floats a, Floats b) { return a > b ? a : b; }
static inline Floats Min(Floats a, Floats b) { return a < b ? a : b; }

template <int... kLane>
struct LaneList {};
template <int kCount, int... kLane>
struct LanesUpTo : LanesUpTo<kCount - 1, kCount - 1, kLane...> {};
template <int... kLane>
struct LanesUpTo<0, kLane...> {
  using List = LaneList<kLane...>;
};
// 0, 1, ..., kLanes - 1.
using AllLanes = LanesUpTo<kLanes>::List;

// The first `count` lanes of `value`, and `other` behind them.
template <int... kLane>
static inline Floats FirstLanes(Floats value, int64_t count, Floats other,
                                LaneList<kLane...>) {
  return Ints{kLane...} < static_cast<int32_t>(count) ? value : other;
}

// Lane i of the result is lane i + kBy, counted around.
template <int kBy, int... kLane>
static inline Floats Rotate(Floats value, LaneList<kLane...>) {
  return __builtin_shufflevector(value, value, ((kLane + kBy) % kLanes)...);
}

// a[kFrom], b[kFrom], a[kFrom + 1], b[kFrom + 1], ...
template <int kFrom, int... kLane>
static inline Floats Interleave(Floats a, Floats b, LaneList<kLane...>) {
  return __builtin_shufflevector(a, b,
                                 (kFrom + kLane / 2 + kLane % 2 * kLanes)...);
}

template <int kHalf = kLanes / 2>
static inline float Sum(Floats value) {
  value += Rotate<kHalf>(value, AllLanes());
  if constexpr (kHalf > 1) return Sum<kHalf / 2>(value);
  return value[0];
}

template <int kHalf = kLanes / 2>
static inline float Largest(Floats value) {
  value = Max(value, Rotate<kHalf>(value, AllLanes()));
  if constexpr (kHalf > 1) return Largest<kHalf / 2>(value);
  return value[0];
}

// kLanes rows of kLanes become columns: the first row is interleaved with the
// one in the middle and so on, as often as lanes can be halved.
static inline void Transpose(Floats* rows) {
  for (int width = 1; width < kLanes; width *= 2) {
    Floats next[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) {
      const Floats a = rows[i];
      const Floats b = rows[i + kLanes / 2];
      next[2 * i] = Interleave<0>(a, b, AllLanes());
      next[2 * i + 1] = Interleave<kLanes / 2>(a, b, AllLanes());
    }
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

// Within 2 units in the last place on [-87, 88], and clamped beyond: 2^n times
// a polynomial on [-ln 2 / 2, ln 2 / 2], after Cephes' expf.
static inline Floats Exp(Floats x) {
  x = Max(Min(x, Broadcast(88.0f)), Broadcast(-87.0f));
  // Adding 1.5 * 2^23 rounds to an integer, which is in the low bits then.
  const Floats shifted = x * 1.44269504f + 12582912.0f;
  const Floats n = shifted - 12582912.0f;
  const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats p = Broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats scale;
  __builtin_memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}

static inline Floats Tanh(Floats x) {
  return 1.0f - 2.0f / (Exp(2.0f * x) + 1.0f);
}

// A rational approximation on [-4, 4], where erf is 1 to float's precision;
// after Eigen's generic_fast_erf_float. Absolute error below 2e-7.
static inline Floats Erf(Floats x) {
  x = Max(Min(x, Broadcast(4.0f)), Broadcast(-4.0f));
  const Floats y = x * x;
  Floats p = Broadcast(-2.72614225801306e-10f);
  p = p * y + 2.77068142495902e-08f;
  p = p * y + -2.10102402082508e-06f;
  p = p * y + -5.69250639462346e-05f;
  p = p * y + -7.34990630326855e-04f;
  p = p * y + -2.95459980854025e-03f;
  p = p * y + -1.60960333262415e-02f;
  Floats q = Broadcast(-1.45660718464996e-05f);
  q = q * y + -2.13374055278905e-04f;
  q = q * y + -1.68282697438203e-03f;
  q = q * y + -7.37332916720468e-03f;
  q = q * y + -1.42647390514189e-02f;
  return x * p / q;
}

static inline Floats Activate(Floats x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kQuickGelu:
      return x / (1.0f + Exp(-1.702f * x));
    case Activation::kGelu:
      return 0.5f * x * (1.0f + Erf(0.70710678f * x));
    case Activation::kGeluTanh:
      return 0.5f * x *
             (1.0f + Tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::kTanh:
      return Tanh(x);
  }
  return x;
}

}  // namespace diptych::inference::DIPTYCH_KERNEL_LEVEL
