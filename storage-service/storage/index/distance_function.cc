#include "storage/index/distance_function.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

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

float DotPortable(const float* a, const float* b, size_t count) {
  float sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      sums[lane] += a[i + lane] * b[i + lane];
    }
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
         ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

float SquaredL2Portable(const float* a, const float* b, size_t count) {
  float sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      const float difference = a[i + lane] - b[i + lane];
      sums[lane] += difference * difference;
    }
  }
  for (; i < count; ++i) sums[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
         ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float SumOfLanes(__m256 x) {
  const __m128 half =
      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

__attribute__((target("avx2,fma"))) float DotAvx2(const float* a,
                                                  const float* b,
                                                  size_t count) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8),
                         s1);
    s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16),
                         _mm256_loadu_ps(b + i + 16), s2);
    s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24),
                         _mm256_loadu_ps(b + i + 24), s3);
  }
  for (; i + 8 <= count; i += 8) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
  }
  float rest = 0;
  for (; i < count; ++i) rest += a[i] * b[i];
  return rest + SumOfLanes(_mm256_add_ps(_mm256_add_ps(s0, s1),
                                         _mm256_add_ps(s2, s3)));
}

__attribute__((target("avx2,fma"))) float SquaredL2Avx2(const float* a,
                                                        const float* b,
                                                        size_t count) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 d0 =
        _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    const __m256 d1 =
        _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
    const __m256 d2 =
        _mm256_sub_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16));
    const __m256 d3 =
        _mm256_sub_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24));
    s0 = _mm256_fmadd_ps(d0, d0, s0);
    s1 = _mm256_fmadd_ps(d1, d1, s1);
    s2 = _mm256_fmadd_ps(d2, d2, s2);
    s3 = _mm256_fmadd_ps(d3, d3, s3);
  }
  for (; i + 8 <= count; i += 8) {
    const __m256 d =
        _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    s0 = _mm256_fmadd_ps(d, d, s0);
  }
  float rest = 0;
  for (; i < count; ++i) rest += (a[i] - b[i]) * (a[i] - b[i]);
  return rest + SumOfLanes(_mm256_add_ps(_mm256_add_ps(s0, s1),
                                         _mm256_add_ps(s2, s3)));
}

// Lanes of the last, incomplete register.
__attribute__((target("avx512f"))) inline __mmask16 TailMask(size_t lanes) {
  return static_cast<__mmask16>((1u << lanes) - 1);
}

__attribute__((target("avx512f"))) float DotAvx512(const float* a,
                                                   const float* b,
                                                   size_t count) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16),
                         _mm512_loadu_ps(b + i + 16), s1);
    s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32),
                         _mm512_loadu_ps(b + i + 32), s2);
    s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48),
                         _mm512_loadu_ps(b + i + 48), s3);
  }
  for (; i + 16 <= count; i += 16) {
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
  }
  if (i < count) {
    const __mmask16 mask = TailMask(count - i);
    s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i),
                         _mm512_maskz_loadu_ps(mask, b + i), s1);
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

__attribute__((target("avx512f"))) float SquaredL2Avx512(const float* a,
                                                         const float* b,
                                                         size_t count) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 d0 =
        _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    const __m512 d1 =
        _mm512_sub_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
    const __m512 d2 =
        _mm512_sub_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32));
    const __m512 d3 =
        _mm512_sub_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48));
    s0 = _mm512_fmadd_ps(d0, d0, s0);
    s1 = _mm512_fmadd_ps(d1, d1, s1);
    s2 = _mm512_fmadd_ps(d2, d2, s2);
    s3 = _mm512_fmadd_ps(d3, d3, s3);
  }
  for (; i + 16 <= count; i += 16) {
    const __m512 d =
        _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    s0 = _mm512_fmadd_ps(d, d, s0);
  }
  if (i < count) {
    const __mmask16 mask = TailMask(count - i);
    const __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i),
                                   _mm512_maskz_loadu_ps(mask, b + i));
    s1 = _mm512_fmadd_ps(d, d, s1);
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

#endif  // __x86_64__

}  // namespace

std::vector<NamedKernels> AvailableKernels() {
  std::vector<NamedKernels> kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) {
    kernels.push_back({"avx512f", &DotAvx512, &SquaredL2Avx512});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back({"avx2", &DotAvx2, &SquaredL2Avx2});
  }
#endif
  kernels.push_back({"portable", &DotPortable, &SquaredL2Portable});
  return kernels;
}

DistanceFunction::DistanceFunction(Metric metric, size_t dimension,
                                   VectorPrecision precision,
                                   size_t slower_kernels)
    : encoding_(precision, dimension), metric_(metric) {
  static const auto* const floats = new auto(AvailableKernels());
  static const auto* const bfloat16 = new auto(AvailableBfloat16Kernels());
  static const auto* const int8 = new auto(AvailableInt8Kernels());
  const auto chosen = [slower_kernels](const auto& kernels) -> const auto& {
    return kernels[std::min(slower_kernels, kernels.size() - 1)];
  };
  kernel_ = metric == Metric::kSquaredL2 ? chosen(*floats).squared_l2
                                         : chosen(*floats).dot;
  bfloat16_kernel_ = chosen(*bfloat16).dot;
  int8_kernel_ = chosen(*int8).dot;
  int8_batch_kernel_ = chosen(*int8).batch;
}

void DistanceFunction::Batch(const void* query, const std::byte* const* rows,
                             size_t count, float* distances) const {
  if (encoding_.precision() != VectorPrecision::kInt8) {
    for (size_t i = 0; i < count; ++i) distances[i] = (*this)(query, rows[i]);
    return;
  }
  constexpr size_t kTogether = 64;
  int32_t products[kTogether];
  const float scale = encoding_.TrailerOf(query).scale;
  const size_t sum_offset =
      encoding_.trailer_offset() + offsetof(RowTrailer, byte_sum);
  while (count > 0) {
    const size_t together = std::min(count, kTogether);
    int8_batch_kernel_(static_cast<const int8_t*>(query), rows, together,
                       encoding_.dimension(), sum_offset, products);
    for (size_t i = 0; i < together; ++i) {
      const float dot = static_cast<float>(products[i]) * scale *
                        encoding_.TrailerOf(rows[i]).scale;
      distances[i] = FromDot(dot, query, rows[i]);
    }
    rows += together;
    distances += together;
    count -= together;
  }
}

float DistanceFunction::CompactErrorBound(const void* a, const void* b) const {
  // What the float32 arithmetic of a distance adds, relative to the norms.
  constexpr double kArithmetic = 1e-5;
  const RowTrailer of_a = encoding_.TrailerOf(a);
  const RowTrailer of_b = encoding_.TrailerOf(b);
  const double norm_a = std::sqrt(static_cast<double>(of_a.squared_norm));
  const double norm_b = std::sqrt(static_cast<double>(of_b.squared_norm));
  const double error_a = of_a.error;
  const double error_b = of_b.error;
  double bound;
  if (metric_ == Metric::kSquaredL2) {
    // D = d'^2 with |d - d'| <= s, so |d^2 - d'^2| <= s (2 d' + s).
    const double between = std::sqrt(static_cast<double>((*this)(a, b)));
    const double moved = error_a + error_b;
    bound = moved * (2 * between + moved) +
            kArithmetic * (norm_a + norm_b) * (norm_a + norm_b);
  } else {
    bound = norm_a * error_b + error_a * norm_b + error_a * error_b +
            kArithmetic * (1 + norm_a * norm_b);
  }
  return bound <= std::numeric_limits<float>::max()
             ? static_cast<float>(bound)
             : std::numeric_limits<float>::infinity();
}

namespace {

// Several sums side by side, so that additions need not wait for each other.
double SquaredNorm(absl::Span<const float> vector) {
  constexpr size_t kLanes = 8;
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= vector.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double component = vector[i + lane];
      sums[lane] += component * component;
    }
  }
  for (; i < vector.size(); ++i) {
    const double component = vector[i];
    sums[0] += component * component;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
         ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

absl::StatusOr<std::vector<float>> PrepareVector(
    Metric metric, size_t dimension, absl::Span<const float> given) {
  std::vector<float> vector(dimension);
  DIPTYCH_RETURN_IF_ERROR(
      PrepareVectorInto(metric, given, absl::MakeSpan(vector)));
  return vector;
}

absl::Status PrepareVectorInto(Metric metric, absl::Span<const float> given,
                               absl::Span<float> prepared) {
  const size_t dimension = prepared.size();
  if (given.size() != dimension) {
    return InvalidField("vector",
                        absl::StrCat("the vector's dimension must be that of "
                                     "its vector space, ",
                                     dimension, ", not ", given.size()));
  }
  const double squared_norm = SquaredNorm(given);
  // Squares of finite floats never sum to more than a double holds.
  if (!std::isfinite(squared_norm)) {
    const auto bad =
        std::find_if(given.begin(), given.end(),
                     [](float component) { return !std::isfinite(component); });
    return InvalidField(
        "vector",
        absl::StrCat("every component must be a finite number; component ",
                     bad - given.begin(), " is ", *bad));
  }
  if (metric == Metric::kCosine && squared_norm > 0) {
    const double norm = std::sqrt(squared_norm);
    std::transform(given.begin(), given.end(), prepared.begin(),
                   [norm](float component) {
                     return static_cast<float>(component / norm);
                   });
  } else {
    std::copy(given.begin(), given.end(), prepared.begin());
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
