// The cosine of two embeddings, for tests.
#pragma once

#include <cmath>
#include <cstddef>

#include "inference/model/encoder.h"

namespace diptych::inference {

// Both have the same size and some length.
inline double Cosine(const Embedding& a, const Embedding& b) {
  double dot = 0, squares_a = 0, squares_b = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    dot += double{a[i]} * b[i];
    squares_a += double{a[i]} * a[i];
    squares_b += double{b[i]} * b[i];
  }
  return dot / std::sqrt(squares_a * squares_b);
}

}  // namespace diptych::inference
