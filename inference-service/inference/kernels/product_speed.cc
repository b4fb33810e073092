#include "inference/kernels/product_speed.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "common/time/clock.h"
#include "inference/kernels/packed_linear.h"

namespace diptych::inference {

double MeasureProductSpeed(KernelLevel level, Precision precision) {
  constexpr int64_t kRows = 96;
  constexpr int64_t kSize = 512;
  constexpr int kRuns = 8;
  std::vector<float> weight(kSize * kSize);
  std::vector<float> rows(kRows * kSize);
  std::vector<float> result(kRows * kSize);
  for (size_t i = 0; i < weight.size(); ++i) {
    weight[i] = static_cast<float>(i * 7 % 61) / 61 - 0.5f;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<float>(i * 5 % 53) / 53 - 0.5f;
  }
  const PackedLinear product(weight, {}, kSize, kSize, precision, level);
  const Clock& clock = Clock::System();
  absl::Duration best = absl::InfiniteDuration();
  for (int run = 0; run < kRuns; ++run) {
    const absl::Time begin = clock.Now();
    product.Run({rows.data(), kSize, kRows}, {result.data(), kSize},
                Activation::kNone, /*accumulate=*/false, Serial());
    best = std::min(best, clock.Now() - begin);
  }
  return 2e-9 * kRows * kSize * kSize / absl::ToDoubleSeconds(best);
}

}  // namespace diptych::inference
