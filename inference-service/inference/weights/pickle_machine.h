// The stack machine that a pickle is a program for, without any code to call.
//
// Operation: Run executes the opcodes that a dictionary of tensors needs; of
// what a pickle can name only the few of state_dict_pickle.h exist. Internal to
// state_dict_pickle.cc. Source: Python's pickletools. Concurrency: for one
// thread. Limits: those of state_dict_pickle.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/weights/state_dict_pickle.h"

namespace diptych::inference {

enum class PickleKind {
  kNone,
  kBool,
  kNumber,
  kText,
  kSequence,  // a tuple or a list
  kDictionary,
  kMakesDictionary,  // collections.OrderedDict
  kMakesTensor,      // torch._utils._rebuild_tensor_v2
  kMakesParameter,   // torch._utils._rebuild_parameter
  kStorageType,      // its name by TensorView in `text`
  kStorage,          // type, key and elements in `tensor`
  kTensor,
};

// What a value refers to lies in the machine's arena, so that values may refer
// to one another in circles, and to one thing a million times.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  // A number or a bool; else a place in the arena.
  int64_t number = 0;
};

struct PickleObject {
  std::string text;
  std::vector<PickleValue> elements;
  std::vector<std::pair<PickleValue, PickleValue>> items;
  PickledTensor tensor;
};

class PickleMachine {
 public:
  explicit PickleMachine(absl::string_view pickle) : rest_(pickle) {}

  // Runs to the end and returns the value that is left. INVALID_ARGUMENT when
  // the pickle is malformed or holds anything that is not allowed.
  absl::StatusOr<PickleValue> Run();

  // What a value of a kind that lies in the arena refers to.
  const PickleObject& At(PickleValue value) const {
    return arena_[static_cast<size_t>(value.number)];
  }

 private:
  absl::Status Step(uint8_t opcode);
  absl::Status StepOnContainers(uint8_t opcode);
  absl::Status StepOnMemo(uint8_t opcode);

  // The next bytes, as a little-endian number.
  absl::StatusOr<uint64_t> Unsigned(size_t size);
  absl::StatusOr<absl::string_view> Bytes(uint64_t size);
  absl::StatusOr<absl::string_view> Line();

  absl::Status Push(PickleValue value);
  absl::Status PushObject(PickleKind kind, PickleObject object);
  absl::Status PushText(uint64_t size);
  absl::StatusOr<PickleValue> Pop();
  absl::StatusOr<PickleValue> Top() const;
  // All values above the last mark, which goes too.
  absl::StatusOr<std::vector<PickleValue>> PopToMark();

  absl::Status PushGlobal(absl::string_view module, absl::string_view name);
  absl::Status PushSequence(std::vector<PickleValue> elements);
  absl::Status PopSequence(size_t size);
  absl::Status AddItems(const std::vector<PickleValue>& keys_and_values);
  absl::Status MakeStorage();
  absl::Status Call();
  absl::Status MakeTensor(const std::vector<PickleValue>& arguments);
  absl::Status Remember(uint64_t place);

  bool Numbers(PickleValue value, std::vector<int64_t>& numbers) const;

  absl::string_view rest_;
  std::deque<PickleObject> arena_;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;
  absl::flat_hash_map<uint64_t, PickleValue> memo_;
  bool stopped_ = false;
};

}  // namespace diptych::inference
