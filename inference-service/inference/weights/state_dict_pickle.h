// The pickle inside a file of torch.save: which tensor is where.
//
// Operation: a pickle is a program for a small stack machine, and Python's own
// reader lets it call anything. This one runs no code: it knows the opcodes
// that a dictionary of tensors needs, and of everything that a pickle can name
// the few below; all else is refused by name.
//   collections.OrderedDict             a dictionary
//   torch._utils._rebuild_tensor_v2     a view of a storage
//   torch._utils._rebuild_parameter     the tensor in it
//   torch.{Float,Half,...}Storage       a type of elements
// Source: Python's pickletools, torch/_utils.py, torch/serialization.py.
// Concurrency: a free function and value types.
// Limits: kPickleBytesMax, kPickleStackMax values at once, kPickleMemoMax
// remembered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

inline constexpr size_t kPickleBytesMax = size_t{64} << 20;
inline constexpr size_t kPickleStackMax = size_t{1} << 20;
inline constexpr size_t kPickleMemoMax = size_t{1} << 22;

// A tensor as the pickle tells of it; nothing is checked against the storage.
struct PickledTensor {
  std::string name;
  // By the names of TensorView.
  std::string type;
  // Which storage, and how many elements it is said to have.
  std::string storage;
  int64_t storage_elements = 0;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// The tensors of the dictionary that `pickle` makes, by their names; those of a
// dictionary inside it, which some trainers write, as "outer.inner"; values
// that are no tensors are left out. INVALID_ARGUMENT when the pickle is
// malformed, is no such dictionary, or holds anything but the above.
absl::StatusOr<std::vector<PickledTensor>> ParseStateDictPickle(
    absl::string_view pickle);

}  // namespace diptych::inference
