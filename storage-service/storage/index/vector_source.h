// Where an index that is loaded finds the full vectors that it did not write.
#pragma once

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/index/slot_set.h"

namespace diptych::storage {

// Concurrency: any thread may call Read, several at a time.
class VectorSource {
 public:
  virtual ~VectorSource() = default;
  // Calls visit(position, vector) for each of `slots`, which ascend, that has a
  // vector that is whole. Errors: those of reading; then the index is not to be
  // used.
  virtual absl::Status Read(
      absl::Span<const Slot> slots,
      absl::FunctionRef<void(size_t position, absl::Span<const float> vector)>
          visit) = 0;
};

}  // namespace diptych::storage
