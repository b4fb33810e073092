// Whether what clients saw of one object is as if everything had happened at
// one moment each, in some order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace diptych::storage {

// A write or a read of a register, with the moments at which it was begun and
// at which its answer was there. Moments are numbers of one count, no two
// alike.
struct RegisterOperation {
  int64_t begin = 0;
  int64_t end = 0;
  bool write = false;
  // Written or read; 0: the object is not there.
  int64_t value = 0;
};

// Operation: the algorithm of Wing and Gong, "Testing and Verifying Concurrent
// Objects", 1993, which takes operations one after the other of those that none
// precedes, with Lowe's memory of the states that led nowhere ("Testing for
// linearizability", 2017). The register holds 0 at first.
// Returns whether an order was found; `why`, where there is none, tells the
// operation that could not be placed.
// Concurrency: pure function.
// Limits: time grows with the number of operations and, exponentially, with how
// many are under way at one moment; some ten are no trouble.
bool IsLinearizable(std::vector<RegisterOperation> history, std::string* why);

}  // namespace diptych::storage
