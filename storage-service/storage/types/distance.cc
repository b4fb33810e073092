#include "storage/types/distance.h"

#include <cmath>
#include <cstddef>

namespace diptych::storage {

double Distance(Metric metric, absl::Span<const float> a,
                absl::Span<const float> b) {
  double dot = 0, norm_a = 0, norm_b = 0, squared = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    norm_a += x * x;
    norm_b += y * y;
    squared += (x - y) * (x - y);
  }
  switch (metric) {
    case Metric::kSquaredL2:
      return squared;
    case Metric::kInnerProduct:
      return 1.0 - dot;
    case Metric::kCosine:
      break;
  }
  if (norm_a == 0 || norm_b == 0) return 1.0;
  return 1.0 - dot / std::sqrt(norm_a * norm_b);
}

}  // namespace diptych::storage
