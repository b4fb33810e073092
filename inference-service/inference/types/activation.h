// The functions between the products of a tower.
#pragma once

namespace diptych::inference {

enum class Activation {
  kNone,
  // x * sigmoid(1.702 x)
  kQuickGelu,
  // x * Phi(x), by erf
  kGelu,
  // its approximation by tanh
  kGeluTanh,
  kTanh,
};

}  // namespace diptych::inference
