// Runs steps against the services and against the model.
//
// Operation: each Apply sends one step over a real connection, in this process,
// and returns how the answer differs from the model's; Minimised leaves out
// steps as long as a difference remains.
// Concurrency: one thread.
// Limits: one data directory per run, removed with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/model_based/model.h"
#include "tests/model_based/operation.h"

namespace diptych::storage {

class ModelRun {
 public:
  ModelRun();
  ~ModelRun();

  // "" where the service does what the model does. After a difference the two
  // are of different state.
  std::string Apply(const Operation& operation);

  const Model& model() const { return model_; }
  // Answers that were no errors.
  int64_t successes() const { return successes_; }

 private:
  class Server;
  class Step;
  std::unique_ptr<Server> server_;
  Model model_;
  int64_t successes_ = 0;
};

// The first difference that the steps lead to, "" for none.
std::string FirstDifference(const std::vector<Operation>& operations);

// Of steps that lead to a difference, few that still lead to one.
std::vector<Operation> Minimised(std::vector<Operation> operations);

}  // namespace diptych::storage
