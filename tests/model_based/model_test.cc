// The storage service does what its documentation says, whatever it is asked,
// in whatever order, and across restarts.
//
// DIPTYCH_MODEL_OPERATIONS says how many steps to take and DIPTYCH_MODEL_SEED
// with which seed; CONTRIBUTING.md tells how the long run is made.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/model_based/model_run.h"
#include "tests/model_based/random_operations.h"

namespace diptych::storage {
namespace {

constexpr uint64_t kOperations = 3000;
constexpr uint64_t kSeed = 20261121;
// A run begins with nothing stored; a difference is then never far from its
// cause, and found again by running its steps anew.
constexpr uint64_t kOperationsPerRun = 5000;
// Of all operations; see Model::ambiguous().
constexpr double kAmbiguousShareMax = 0.05;
constexpr double kSuccessShareMin = 0.5;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t number = otherwise;
  if (text != nullptr && !absl::SimpleAtoi(text, &number))
    ADD_FAILURE() << name << " is no number: " << text;
  return number;
}

std::string Reproducer(uint64_t seed, const std::vector<Operation>& steps) {
  const std::vector<Operation> few = Minimised(steps);
  std::string text = absl::StrCat(
      "DIPTYCH_MODEL_SEED=", seed, " DIPTYCH_MODEL_OPERATIONS=", steps.size(),
      " leads to a difference, and so do these ", few.size(), " steps:\n");
  for (const Operation& step : few) absl::StrAppend(&text, ToText(step), "\n");
  return absl::StrCat(text, FirstDifference(few));
}

TEST(ModelTest, RandomOperationsAgreeWithTheModel) {
  const uint64_t total =
      FromEnvironment("DIPTYCH_MODEL_OPERATIONS", kOperations);
  uint64_t seed = FromEnvironment("DIPTYCH_MODEL_SEED", kSeed);
  int64_t ambiguous = 0, successes = 0;
  for (uint64_t done = 0; done < total; ++seed) {
    RandomOperations random(seed);
    ModelRun run;
    std::vector<Operation> steps;
    while (done < total && steps.size() < kOperationsPerRun) {
      steps.push_back(random.Next());
      ++done;
      const std::string difference = run.Apply(steps.back());
      ASSERT_EQ(difference, "") << ToText(steps.back()) << "\n"
                                << Reproducer(seed, steps);
    }
    ambiguous += run.model().ambiguous();
    successes += run.successes();
  }
  std::cout << total << " operations, 0 differences; " << successes
            << " succeeded; answers that rounding may change: " << ambiguous
            << std::endl;
  EXPECT_GT(static_cast<double>(successes),
            kSuccessShareMin * static_cast<double>(total));
  EXPECT_LT(static_cast<double>(ambiguous),
            kAmbiguousShareMax * static_cast<double>(total));
}

}  // namespace
}  // namespace diptych::storage
