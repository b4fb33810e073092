// Values and threads for the tests of kernels.
#pragma once

#include <atomic>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "inference/kernels/kernels.h"
#include "inference/kernels/parallel.h"
#include "inference/types/activation.h"

namespace diptych::inference {

// Normally distributed around 0, the same for every seed.
inline std::vector<float> RandomValues(int64_t count, unsigned seed,
                                       float deviation = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

// By the formulas, in double.
inline double PlainActivation(double x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x *
             (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) *
                            (x + 0.044715 * x * x * x)));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return x;
}

// So many threads, each of which takes the next task, for whatever little work.
class TestThreads final : public Parallel {
 public:
  explicit TestThreads(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  bool IsWorth(int64_t) const override { return true; }
  void For(int64_t count,
           absl::FunctionRef<void(int64_t)> task) const override {
    std::atomic<int64_t> next = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < threads_; ++i) {
      workers.emplace_back([&] {
        for (int64_t at = next++; at < count; at = next++) task(at);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }

 private:
  const int threads_;
};

struct LevelName {
  template <typename Parameter>
  std::string operator()(const Parameter& parameter) const {
    std::string name = KernelLevelName(parameter.param);
    for (char& letter : name) {
      if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
    }
    return name;
  }
};

}  // namespace diptych::inference
